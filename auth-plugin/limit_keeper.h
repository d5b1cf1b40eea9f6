// SPDX-License-Identifier: Apache-2.0
//
// Purpose: holds devices and tenants to their limits (core/limits.h): the strictest of the platform's (the plugin's
// options), the tenant's and the policy's. The newest published state of the registry decides, at every call.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "auth-plugin/broker_metrics.h"
#include "auth-plugin/identity_state.h"
#include "auth-plugin/limit_meters.h"
#include "auth-plugin/session.h"
#include "core/limits.h"

namespace muster::auth_plugin {

// What somebody is about to do, as limits see it.
struct PublishSize {
  std::size_t topic = 0;
  std::size_t payload = 0;
  std::uint8_t qos = 0;
};

// LimitKeeper answers "" where a limit allows what is asked, else the reason (auth-plugin/reasons.h, limit.*). Its
// memory is fixed for each session and tenant. Confined to the broker's thread.
class LimitKeeper {
 public:
  using Time = std::chrono::steady_clock::time_point;

  LimitKeeper(TenantLimits platform, IdentityExchange& identity, BrokerMetrics& metrics)
      : platform_(std::move(platform)), identity_(identity), metrics_(metrics) {}

  // A CONNECT that would be accepted otherwise. `known`: the device's session, if it has one. Counts it.
  std::string_view connect(Session& admitted, const Session* known, Time now);
  // Its connection lives, and is gone.
  void connected(Session& session);
  void disconnected(Session& session);

  // Counts the packet, whatever becomes of it. `durable`: what of it the WAL has acknowledged.
  std::string_view publish(Session& session, const PublishSize& size, std::uint64_t durable, Time now);
  // The packet waits for this sequence before it is acknowledged.
  void in_flight(Session& session, std::uint64_t sequence);
  std::string_view subscribe(Session& session, std::string_view filter, bool clean_start);
  // A message for a session that is not connected. Counts it.
  std::string_view queue(Session& session, std::uint8_t qos);

  // Counts a limit that was hit, by reason and by tenant.
  void hit(const Session& session, std::string_view reason);

 private:
  // nullptr where nothing limits the device.
  DeviceMeters* device_meters(Session& session, const IdentityState& state);
  TenantMeters& tenant_meters(Session& session, const IdentityState& state);
  void refresh(TenantMeters& meters, const TenantId& tenant, const IdentityState& state) const;

  const TenantLimits platform_;
  IdentityExchange& identity_;
  BrokerMetrics& metrics_;
  // Of every tenant that connected since the start: entries stay, since sessions point at them.
  std::unordered_map<TenantId, TenantMeters> tenants_;
};

}  // namespace muster::auth_plugin
