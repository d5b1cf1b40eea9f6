// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "api/rate_limiter.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/metrics.h"
#include "db/connection_pool.h"
#include "enroll/registration_authority.h"
#include "ingest/postgres/tenant_reader.h"

namespace muster::api {

class ChangeWaiter;
class HolderDesk;
class OrderWaiter;

// ApiContext is what handlers need; everything in it is thread-safe and outlives the listeners.
struct ApiContext {
  db::ConnectionPool& pool;
  enroll::RegistrationAuthority& authority;
  const Clock& clock;
  MetricsRegistry& metrics;
  const TrustDomain& trust_domain;
  ingest::TenantReader& reader;
  ChangeWaiter& changes;
  RateLimiter& by_caller;            // authenticated callers
  RateLimiter& by_source;            // everybody else, by address
  std::atomic<int>& stream_waiters;  // long polls of the records endpoint that hold a thread now
  const std::atomic<bool>& stopping;
  OrderWaiter& orders;
  HolderDesk& holders;
};

}  // namespace muster::api
