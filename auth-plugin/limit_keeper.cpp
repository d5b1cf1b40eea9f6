// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/limit_keeper.h"

#include <algorithm>

#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

using Time = LimitKeeper::Time;

bool take(TokenBucket& bucket, double amount, std::optional<std::uint32_t> rate, std::optional<std::uint32_t> burst,
          double seconds, Time now) {
  if (!rate) return true;
  return bucket.take(amount, *rate / seconds, burst.value_or(*rate), now);
}

bool take_connect(RateMeters& meters, const Limits& limits, Time now) {
  return take(meters.connects, 1, limits.connects_per_minute, limits.connect_burst, 60, now);
}

bool take_message(RateMeters& meters, const Limits& limits, Time now) {
  return take(meters.messages, 1, limits.publish_messages_per_second, limits.publish_messages_burst, 1, now);
}

bool take_octets(RateMeters& meters, const Limits& limits, std::size_t octets, Time now) {
  return take(meters.octets, static_cast<double>(octets), limits.publish_octets_per_second, limits.publish_octets_burst,
              1, now);
}

std::string_view publish_refusal_of_device(DeviceMeters& meters, const PublishSize& size, std::uint64_t durable,
                                           Time now) {
  const Limits& limits = meters.limits;
  if (limits.payload_octets && size.payload > *limits.payload_octets) return reasons::kPayloadLimit;
  auto& waiting = meters.in_flight;
  while (!waiting.empty() && waiting.front() <= durable) waiting.pop_front();
  if (size.qos > 0 && limits.in_flight && waiting.size() >= *limits.in_flight) return reasons::kInFlightLimit;
  if (!take_message(meters.rates, limits, now)) return reasons::kMessageRateLimit;
  if (!take_octets(meters.rates, limits, size.topic + size.payload, now)) return reasons::kOctetRateLimit;
  return {};
}

}  // namespace

void LimitKeeper::refresh(TenantMeters& meters, const TenantId& tenant, const IdentityState& state) const {
  meters.generation = state.generation;
  const auto facts = state.view->find_tenant(tenant);
  const TenantLimits of_tenant = facts && facts->limits ? *facts->limits : TenantLimits{};
  meters.total = strictest(platform_.total, of_tenant.total);
  meters.of_device = strictest(platform_.device, of_tenant.device);
  meters.limited = meters.total != Limits{};
}

TenantMeters& LimitKeeper::tenant_meters(Session& session, const IdentityState& state) {
  if (!session.tenant_meters) session.tenant_meters = &tenants_[session.tenant_id];
  TenantMeters& meters = *session.tenant_meters;
  if (meters.generation != state.generation) refresh(meters, session.tenant_id, state);
  return meters;
}

DeviceMeters* LimitKeeper::device_meters(Session& session, const IdentityState& state) {
  if (session.limits_generation == state.generation) return session.meters.get();
  session.limits_generation = state.generation;
  const Limits& of_tenant = tenant_meters(session, state).of_device;
  const bool has_policy = session.standing.generation == state.generation && session.standing.policy;
  const Limits limits = has_policy ? strictest(of_tenant, session.standing.policy->limits()) : of_tenant;
  // Once there, meters stay: who has used up a limit does not get it anew by a change of it.
  if (!session.meters && limits == Limits{}) return nullptr;
  if (!session.meters) session.meters = std::make_shared<DeviceMeters>();
  session.meters->limits = limits;
  return session.meters.get();
}

std::string_view LimitKeeper::connect(Session& admitted, const Session* known, Time now) {
  const IdentityState* state = identity_.current();
  if (!state) return reasons::kSnapshotAbsent;
  if (known) admitted.meters = known->meters;
  DeviceMeters* device = device_meters(admitted, *state);
  if (device && !take_connect(device->rates, device->limits, now)) return reasons::kConnectRateLimit;
  TenantMeters& tenant = tenant_meters(admitted, *state);
  if (!tenant.limited) return {};
  const bool takes_over = known && known->online;
  if (!takes_over && tenant.total.connections && tenant.connections >= *tenant.total.connections) {
    return reasons::kConnectionLimit;
  }
  if (!take_connect(tenant.rates, tenant.total, now)) return reasons::kTenantConnectRateLimit;
  return {};
}

void LimitKeeper::connected(Session& session) {
  if (session.tenant_meters) ++session.tenant_meters->connections;
  if (session.meters) session.meters->queued = 0;
}

void LimitKeeper::disconnected(Session& session) {
  if (session.tenant_meters && session.tenant_meters->connections > 0) --session.tenant_meters->connections;
}

std::string_view LimitKeeper::publish(Session& session, const PublishSize& size, std::uint64_t durable, Time now) {
  const IdentityState* state = identity_.current();
  if (!state) return {};  // the topic decision refuses everything
  if (DeviceMeters* device = device_meters(session, *state)) {
    const std::string_view refusal = publish_refusal_of_device(*device, size, durable, now);
    if (!refusal.empty()) return refusal;
  }
  TenantMeters& tenant = tenant_meters(session, *state);
  if (!tenant.limited) return {};
  if (!take_message(tenant.rates, tenant.total, now)) return reasons::kTenantMessageRateLimit;
  if (!take_octets(tenant.rates, tenant.total, size.topic + size.payload, now)) return reasons::kTenantOctetRateLimit;
  return {};
}

void LimitKeeper::in_flight(Session& session, std::uint64_t sequence) {
  if (session.meters && session.meters->limits.in_flight) session.meters->in_flight.push_back(sequence);
}

std::string_view LimitKeeper::subscribe(Session& session, std::string_view filter, bool clean_start) {
  const IdentityState* state = identity_.current();
  DeviceMeters* device = state ? device_meters(session, *state) : nullptr;
  if (!device || !device->limits.subscriptions) return {};
  // The first SUBSCRIBE of a connection that started clean finds none of the connections before.
  const bool none = clean_start && session.subscribing != session.connection.id;
  const auto& filters = session.subscriptions;
  if (!none && std::ranges::find(filters, filter, &Subscription::filter) != filters.end()) return {};
  const std::size_t held = none ? 0 : filters.size();
  return held >= *device->limits.subscriptions ? reasons::kSubscriptionLimit : std::string_view();
}

std::string_view LimitKeeper::queue(Session& session, std::uint8_t qos) {
  if (session.online || qos == 0) return {};
  const IdentityState* state = identity_.current();
  DeviceMeters* device = state ? device_meters(session, *state) : nullptr;
  if (!device || !device->limits.queued_messages) return {};
  if (device->queued >= *device->limits.queued_messages) return reasons::kQueueLimit;
  ++device->queued;
  return {};
}

void LimitKeeper::hit(const Session& session, std::string_view reason) {
  metrics_.limited(reason);
  metrics_.of_tenant(session).limited.add();
}

}  // namespace muster::auth_plugin
