// SPDX-License-Identifier: Apache-2.0
//
// The gatekeeper's part for topics and messages.
#include <algorithm>

#include "auth-plugin/gatekeeper.h"
#include "auth-plugin/reasons.h"

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

}  // namespace

void Gatekeeper::refresh_standing(Session& session) {
  const IdentityState* state = parts_.identity.current();
  if (state && session.standing.generation != state->generation) session.standing = standing_of(*state, session);
}

bool Gatekeeper::answer(Session& session, AclAccess access, std::string_view topic) {
  refresh_standing(session);
  const std::string_view reason = decide_acl(session, access, topic, parts_.clock.now());
  parts_.metrics.acl_decided(access, reason);
  if (!reason.empty()) journal_.denied(session, name_of(access), reason, topic);
  return reason.empty();
}

// The broker asks the same question for a publish, for a will (its connection has ended, or is being taken over) and
// for the sender of a retained message that somebody is about to receive.
AclAccess Gatekeeper::access_of_write(const ClientView& client, const Session& session) const {
  if (!client.has_address) return AclAccess::kRetained;
  const bool publishing = session.online && session.context == client.context;
  return publishing ? AclAccess::kPublish : AclAccess::kWill;
}

bool Gatekeeper::may_write(const ClientView& client, const MessageView& message) {
  const auto session = sessions_.find(client.context, client.id, client.username);
  if (!session) {
    parts_.metrics.acl_decided(AclAccess::kPublish, reasons::kSessionUnknown);
    return false;
  }
  const AclAccess access = access_of_write(client, *session);
  if (!answer(*session, access, message.topic)) return false;
  if (access == AclAccess::kRetained) {
    if (retained_.is_owner(message.topic, session->device_id)) return true;
    parts_.metrics.acl_decided(access, reasons::kRetainedByAnother);
    journal_.denied(*session, name_of(access), reasons::kRetainedByAnother, message.topic);
    return false;
  }
  if (message.retain && !remember_retained(message, *session)) {
    parts_.metrics.acl_decided(access, reasons::kRetainedTableFull);
    journal_.denied(*session, name_of(access), reasons::kRetainedTableFull, message.topic);
    return false;
  }
  if (access == AclAccess::kWill) journal_.will_sent(*session, message);
  return true;
}

bool Gatekeeper::remember_retained(const MessageView& message, const Session& session) {
  if (!message.payload.empty()) return retained_.set(message.topic, session.device_id);
  retained_.erase(message.topic);  // an empty payload deletes [MQTT5 3.3.1.3]
  return true;
}

bool Gatekeeper::may_receive(const ClientView& client, std::string_view topic) {
  const auto session = sessions_.find(client.context, client.id, client.username);
  if (session) return answer(*session, AclAccess::kReceive, topic);
  parts_.metrics.acl_decided(AclAccess::kReceive, reasons::kSessionUnknown);
  return false;
}

bool Gatekeeper::may_subscribe(const ClientView& client, std::string_view filter) {
  const auto session = sessions_.find(client.context, client.id, client.username);
  if (!session) {
    parts_.metrics.acl_decided(AclAccess::kSubscribe, reasons::kSessionUnknown);
    return false;
  }
  session->queue_is_foreign = false;  // its CONNECT is through: what comes now was asked for by this device
  if (!answer(*session, AclAccess::kSubscribe, filter)) return false;
  auto& filters = session->subscriptions;
  const bool first = session->subscribing != session->connection.id;
  session->subscribing = session->connection.id;
  if (first && client.clean_start) filters.clear();  // the broker has dropped those of the connections before
  if (std::ranges::find(filters, filter) != filters.end()) return true;
  if (filters.size() >= Session::kMaxSubscriptions) {
    parts_.metrics.acl_decided(AclAccess::kSubscribe, reasons::kTooManySubscriptions);
    journal_.denied(*session, name_of(AclAccess::kSubscribe), reasons::kTooManySubscriptions, filter);
    return false;
  }
  filters.emplace_back(filter);
  return true;
}

void Gatekeeper::unsubscribed(const ClientView& client, std::string_view filter) {
  const auto session = sessions_.find(client.context, client.id, client.username);
  if (session) std::erase(session->subscriptions, filter);
}

PublishAnswer Gatekeeper::publish(const ClientView& client, const MessageView& message) {
  const auto* live = sessions_.find_live(client.context);
  if (!live || live->session->principal != client.id || client.id != client.username) return PublishAnswer::kCut;
  live->session->queue_is_foreign = false;
  const auto sequence = journal_.published(*live->session, live->facts, message);
  if (!sequence.ok()) {
    journal_.denied(*live->session, "publish", sequence.error().reason, message.topic);
    return PublishAnswer::kCut;
  }
  if (sequence.value() > 0) live->facts.hold->require(sequence.value());
  return PublishAnswer::kAccept;
}

}  // namespace muster::auth_plugin
