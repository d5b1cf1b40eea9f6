// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/metrics.h"

namespace muster::auth_plugin {

// Counters of one tenant, or of all that have none of their own (BrokerMetrics::of_tenant).
struct TenantCounters {
  Counter& messages;
  Counter& octets;
  Counter& connects;
  Counter& denials;
  Counter& cuts;
  Counter& limited;
};

}  // namespace muster::auth_plugin
