// SPDX-License-Identifier: Apache-2.0
//
// The gatekeeper's part for limits: who is over one is told so where MQTT has words for it, and turned away. Nobody is
// told that a message was stored when it was not: an MQTT 3.1.1 client is disconnected, since its PUBACK has no room
// for a refusal.
#include <algorithm>

#include "auth-plugin/gatekeeper.h"
#include "auth-plugin/mqtt_answer.h"
#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

MqttReason disconnect_reason(std::string_view reason) {
  if (reason == reasons::kPayloadLimit) return MqttReason::kPacketTooLarge;
  if (reason == reasons::kInFlightLimit) return MqttReason::kReceiveMaximumExceeded;
  return MqttReason::kQuotaExceeded;
}

}  // namespace

std::string_view Gatekeeper::connect_limit(Session& admitted) {
  const auto known = sessions_.find_device(admitted.device_id);
  const auto now = std::chrono::steady_clock::now();
  const bool too_soon = known && now < known->return_delay.until();
  const std::string_view reason = too_soon ? reasons::kReturnTooSoon : limits_.connect(admitted, known.get(), now);
  if (!reason.empty()) limits_.hit(admitted, reason);
  return reason;
}

void Gatekeeper::delay_return(Session& session) {
  session.return_delay.cut(coarse_steady_now());
  last_return_ = std::max(last_return_, session.return_delay.until());
}

// Before it has proved that the certificate is its own: who shows another's waits in that one's place, and no longer.
HandshakeGate::Time Gatekeeper::may_return(const PeerEvidence& evidence) {
  if (coarse_steady_now() >= last_return_) return {};
  const IdentityState* state = parts_.identity.current();
  const auto certificate = state ? state->view->find_certificate(evidence.credential_id) : std::nullopt;
  const auto session = certificate ? sessions_.find_device(certificate->device_id) : nullptr;
  return session ? session->return_delay.until() : HandshakeGate::Time{};
}

bool Gatekeeper::tell_limit(const ConnectView& view, std::string_view reason) const {
  const bool rate = reason == reasons::kConnectRateLimit || reason == reasons::kTenantConnectRateLimit ||
                    reason == reasons::kReturnTooSoon;
  if (!rate && reason != reasons::kConnectionLimit) return false;
  return view.proved && send_connack(view.proved->connection, view.protocol_version,
                                     rate ? MqttReason::kConnectionRateExceeded : MqttReason::kQuotaExceeded);
}

PublishLimit Gatekeeper::limit_publish(const ClientView& client, const MessageView& message) {
  Session* session = client.has_address ? sessions_.find(client.context, client.id, client.username) : nullptr;
  // A will, and what the sender of a retained message may still do, are no PUBLISH packets.
  if (!session || !session->online || session->context != client.context) return PublishLimit::kWithin;
  topics_.refresh_standing(*session);
  const PublishSize size{message.topic.size(), message.payload.size(), message.qos};
  const auto reason = limits_.publish(*session, size, parts_.holds.durable(), coarse_steady_now());
  if (reason.empty()) return PublishLimit::kWithin;
  delay_return(*session);
  limits_.hit(*session, reason);
  parts_.metrics.cut(reason);
  journal_.denied(*session, "publish", reason, message.topic);
  const ConnectionFacts& connection = session->connection;
  const bool told = connection.mqtt5 && send_disconnect(connection.tls, disconnect_reason(reason));
  return told ? PublishLimit::kCutAndTold : PublishLimit::kCut;
}

bool Gatekeeper::may_hold_subscription(const ClientView& client, std::string_view filter) {
  Session* session = sessions_.find(client.context, client.id, client.username);
  if (!session) return true;  // the topic decision refuses it
  topics_.refresh_standing(*session);
  const std::string_view reason = limits_.subscribe(*session, filter, client.clean_start);
  if (reason.empty()) return true;
  limits_.hit(*session, reason);
  journal_.denied(*session, "subscribe", reason, filter);
  return false;
}

bool Gatekeeper::may_be_queued(const ClientView& client, const MessageView& message) {
  Session* session = sessions_.find(client.context, client.id, client.username);
  if (!session || session->online) return true;
  const std::string_view reason = limits_.queue(*session, message.qos);
  if (reason.empty()) return true;
  limits_.hit(*session, reason);
  journal_.denied(*session, "receive", reason, message.topic);
  return false;
}

}  // namespace muster::auth_plugin
