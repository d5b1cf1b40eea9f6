// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <thread>

#include "api/context.h"
#include "http/outside_fetch.h"

namespace muster::api {

// CrlFetching fetches the CRLs of tenants' trust anchors when they are due and hands them to enroll/, which checks
// them; and tells of those that expired. Several servers may do it at once: each fetch is one server's.
class CrlFetching {
 public:
  CrlFetching(ApiContext& context, http::OutsidePolicy policy);

 private:
  void loop(const std::stop_token& stop);
  void fetch_due(const std::stop_token& stop);
  void raise_alarms();

  ApiContext& context_;
  const http::OutsidePolicy policy_;
  std::jthread thread_;
};

}  // namespace muster::api
