// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/topic_gate.h"

#include <algorithm>

#include "auth-plugin/reasons.h"
#include "auth-plugin/registry_standing.h"

namespace muster::auth_plugin {
namespace {

constexpr std::string_view name_of(AclAccess access) {
  switch (access) {
    case AclAccess::kPublish: return "publish";
    case AclAccess::kWill: return "will";
    case AclAccess::kRetained: return "retained";
    case AclAccess::kReceive: return "receive";
    case AclAccess::kSubscribe: return "subscribe";
  }
  return "";
}

// The broker grants no more whatever is asked for (the guard sees to max_qos 1).
constexpr std::uint8_t kBrokerMaxQos = 1;

Carried carried_of(const MessageView& message) {
  return {message.qos, static_cast<std::uint32_t>(std::min<std::size_t>(message.payload.size(), kAnyPayload))};
}

}  // namespace

void TopicGate::refresh_standing(Session& session) {
  const IdentityState* state = parts_.identity.current();
  if (state && session.standing.generation != state->generation) session.standing = standing_of(*state, session);
}

bool TopicGate::deny(Session& session, AclAccess access, std::string_view reason, std::string_view topic) {
  parts_.metrics.acl_decided(access, reason);
  parts_.journal.denied(session, name_of(access), reason, topic);
  return false;
}

std::string_view TopicGate::refusal_of(Session& session, const TopicQuestion& question) {
  refresh_standing(session);
  return decide_acl(session, question, parts_.clock.now());
}

bool TopicGate::answer(Session& session, AclAccess access, std::string_view reason, std::string_view topic) {
  if (!reason.empty()) return deny(session, access, reason, topic);
  parts_.metrics.acl_decided(access, {});
  return true;
}

// The broker asks the same question for a publish, for a will (its connection has ended, or is being taken over) and
// for the sender of a retained message that somebody is about to receive.
AclAccess TopicGate::access_of_write(const ClientView& client, const Session& session) const {
  if (!client.has_address) return AclAccess::kRetained;
  const bool publishing = session.online && session.context == client.context;
  return publishing ? AclAccess::kPublish : AclAccess::kWill;
}

bool TopicGate::may_write(const ClientView& client, const MessageView& message) {
  Session* session = parts_.sessions.find(client.context, client.id, client.username);
  if (!session) {
    parts_.metrics.acl_decided(AclAccess::kPublish, reasons::kSessionUnknown);
    return false;
  }
  const AclAccess access = access_of_write(client, *session);
  std::string_view reason = refusal_of(*session, {access, message.topic, carried_of(message), message.retain});
  if (reason.empty() && access == AclAccess::kRetained) {
    if (!retained_.is_owner(message.topic, session->device_id)) reason = reasons::kRetainedByAnother;
  } else if (reason.empty() && message.retain && !remember_retained(message, *session)) {
    reason = reasons::kRetainedTableFull;
  }
  if (!answer(*session, access, reason, message.topic)) return false;
  if (access == AclAccess::kWill) parts_.journal.will_sent(*session, message);
  return true;
}

bool TopicGate::remember_retained(const MessageView& message, const Session& session) {
  if (!message.payload.empty()) return retained_.set(message.topic, session.device_id);
  retained_.erase(message.topic);  // an empty payload deletes [MQTT5 3.3.1.3]
  return true;
}

bool TopicGate::may_receive(const ClientView& client, std::string_view topic, std::size_t payload_size) {
  Session* session = parts_.sessions.find(client.context, client.id, client.username);
  const auto octets = static_cast<std::uint32_t>(std::min<std::size_t>(payload_size, kAnyPayload));
  if (session) {
    const auto reason = refusal_of(*session, {AclAccess::kReceive, topic, {0, octets}, false});
    return answer(*session, AclAccess::kReceive, reason, topic);
  }
  parts_.metrics.acl_decided(AclAccess::kReceive, reasons::kSessionUnknown);
  return false;
}

// The broker can be told yes or no, not to grant a lower QoS than was asked for.
bool TopicGate::may_subscribe(const ClientView& client, std::string_view filter, std::uint8_t qos) {
  Session* session = parts_.sessions.find(client.context, client.id, client.username);
  if (!session) {
    parts_.metrics.acl_decided(AclAccess::kSubscribe, reasons::kSessionUnknown);
    return false;
  }
  session->queue_is_foreign = false;  // its CONNECT is through: what comes now was asked for by this device
  qos = std::min(qos, kBrokerMaxQos);
  const auto reason = refusal_of(*session, {AclAccess::kSubscribe, filter, {qos, 0}, false});
  if (!reason.empty()) return deny(*session, AclAccess::kSubscribe, reason, filter);
  auto& held = session->subscriptions;
  const bool first = session->subscribing != session->connection.id;
  session->subscribing = session->connection.id;
  if (first && client.clean_start) held.clear();  // the broker has dropped those of the connections before
  const auto known = std::ranges::find(held, filter, &Subscription::filter);
  if (known != held.end()) {
    known->qos = qos;
  } else if (held.size() >= Session::kMaxSubscriptions) {
    return deny(*session, AclAccess::kSubscribe, reasons::kTooManySubscriptions, filter);
  } else {
    held.push_back({std::string(filter), qos});
  }
  return answer(*session, AclAccess::kSubscribe, {}, filter);
}

void TopicGate::unsubscribed(const ClientView& client, std::string_view filter) {
  Session* session = parts_.sessions.find(client.context, client.id, client.username);
  if (session) std::erase_if(session->subscriptions, [&](const Subscription& held) { return held.filter == filter; });
}

bool TopicGate::still_allows_subscriptions(const Session& session) const {
  const UtcTime now = parts_.clock.now();
  return std::ranges::all_of(session.subscriptions, [&](const Subscription& held) {
    return decide_acl(session, {AclAccess::kSubscribe, held.filter, {held.qos, 0}, false}, now).empty();
  });
}

void TopicGate::look_for_gone_owners(const Recheck& recheck) {
  const IdentityState* state = parts_.identity.current();
  const bool tenant_gone =
      state && std::ranges::any_of(recheck.tenants, [&](const TenantId& tenant) { return !is_held(*state, tenant); });
  if (recheck.everything || tenant_gone) {
    suspects_ = retained_.owners();
    return;
  }
  for (const DeviceId& device : recheck.devices) {
    if (retained_.owns_any(device)) suspects_.push_back(device);
  }
}

void TopicGate::look_at_owner() {
  const DeviceId owner = suspects_.back();
  suspects_.pop_back();
  const IdentityState* state = parts_.identity.current();
  if (state && !is_held(*state, owner)) retained_.forget(owner);
}

}  // namespace muster::auth_plugin
