// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "http/client.h"

namespace muster::edge {

// RegistrationCourier takes what the plugin left of devices that are not registered (edge/registration_report.h) to
// POST /v1/edge/registrations. The server decides; a report that it has judged, either way, is removed, and so is one
// that is not a report. Confined to the thread of run().
class RegistrationCourier {
 public:
  RegistrationCourier(std::string folder, http::Client client, MetricsRegistry& metrics);
  // Looks into the folder twice a second until `stop`.
  void run(std::stop_token stop);
  // One look. False: the server could not be asked, or will not say now; the files stay.
  bool step();

 private:
  static constexpr std::chrono::milliseconds kLookEvery{500};
  static constexpr std::size_t kMostAtOnce = 16;
  bool deliver(const std::string& path);

  const std::string folder_;
  http::Client client_;
  Counter& registered_;
  Counter& refused_;
  const Log log_{"edge.registrations"};
};

}  // namespace muster::edge
