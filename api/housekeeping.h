// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

#include "api/context.h"
#include "registry/tenant_store.h"

namespace muster::api {

// Housekeeping does what no request waits for: chains the audit, finishes deletions, forgets what is past its keep.
// Several servers may do it at once.
class Housekeeping {
 public:
  explicit Housekeeping(ApiContext& context);
  void stop() { thread_.request_stop(); }

 private:
  void loop(const std::stop_token& stop);
  void chain_audit();
  void supersede();
  void backfill_log(const std::stop_token& stop);
  // Until `visit` says no.
  void for_each_tenant(const std::function<bool(const registry::Tenant&)>& visit);
  void finish_deletions();
  void drop_edge_roles();
  void go_on_revoking();
  void prune();

  ApiContext& context_;
  std::jthread thread_;
};

}  // namespace muster::api
