// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>

#include "auth-plugin/token_bucket.h"
#include "core/limits.h"

namespace muster::auth_plugin {

// What one device, or one tenant, has used of its limits, and the limits in force in one generation of the registry's
// state (a device's: Session::limits_generation).
struct RateMeters {
  TokenBucket connects;
  TokenBucket messages;
  TokenBucket octets;
};

struct DeviceMeters {
  Limits limits;
  RateMeters rates;
  std::uint32_t queued = 0;             // since the device went offline
  std::deque<std::uint64_t> in_flight;  // sequences that acknowledgements wait for; at most limits.in_flight
};

struct TenantMeters {
  std::uint64_t generation = 0;
  bool limited = false;
  Limits total;
  Limits of_device;  // the platform's and the tenant's, for each of its devices
  RateMeters rates;
  std::uint32_t connections = 0;
};

}  // namespace muster::auth_plugin
