// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/other_broker.h"

#include <algorithm>
#include <utility>

#include "auth-plugin/acl_decision.h"
#include "auth-plugin/peer_verification.h"
#include "auth-plugin/reasons.h"
#include "auth-plugin/registry_standing.h"

namespace muster::auth_plugin {
namespace {

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

IdentityState state_of(const OtherBroker& broker) {
  IdentityState state;
  // Not owned: the caller's view outlives this call, and the state does not outlive it.
  state.view = std::shared_ptr<const edge::IdentityView>(std::shared_ptr<void>(), &broker.view);
  state.anchors = AnchorIndex::build(broker.view, nullptr);
  state.external = ExternalIndex::build(broker.view, nullptr);
  state.generation = 1;
  return state;
}

Result<void> check_username(const OtherClient& client) {
  if (client.username.empty() || client.username == client.client_id) return {};
  return refused(reasons::kUsernameMismatch);
}

Result<Session> open_session(const OtherBroker& broker, const IdentityState& state, const OtherClient& client) {
  if (client.chain.empty()) return refused(reasons::kCertificateMissing);
  const PresentedChain chain{client.chain.front(), client.chain.subspan(1), broker.tenant, {}};
  MUSTER_TRY(const PeerEvidence evidence, verify_peer(ParsedChain(chain), state, broker.trust_domain, broker.now));
  ConnectQuestion question;
  question.state = &state;
  question.snapshot_fresh = true;  // the registry itself is asked
  question.evidence = &evidence;
  question.has_certificate = true;
  question.client_id = client.client_id;
  question.now = broker.now;
  MUSTER_TRY(Session session, decide_connect(question));
  MUSTER_TRY_VOID(check_username(client));
  session.online = true;
  session.standing = standing_of(state, session);
  return session;
}

Result<void> decide(const Session& session, const TopicQuestion& question, UtcTime now) {
  const std::string_view reason = decide_acl(session, question, now);
  return reason.empty() ? Result<void>() : refused(reason);
}

}  // namespace

Result<AdmittedClient> admit_client(const OtherBroker& broker, const OtherClient& client) {
  const IdentityState state = state_of(broker);
  MUSTER_TRY(const Session session, open_session(broker, state, client));
  return AdmittedClient{session.principal, session.connection.certificate_id, session.connection.not_after};
}

Result<void> decide_topic(const OtherBroker& broker, const OtherClient& client, const TopicQuestion& question) {
  const IdentityState state = state_of(broker);
  MUSTER_TRY(const Session session, open_session(broker, state, client));
  return decide(session, question, broker.now);
}

Result<void> decide_topic_of_device(const OtherBroker& broker, const OtherClient& client, const DeviceId& device,
                                    std::span<const Sha256> certificates, const TopicQuestion& question) {
  MUSTER_TRY_VOID(check_username(client));
  const IdentityState state = state_of(broker);
  const auto facts = broker.view.find_device(device);
  if (!facts) return refused(reasons::kDeviceUnknown);
  std::string_view refusal = reasons::kCertificateMissing;
  for (const Sha256& id : certificates) {
    const auto certificate = broker.view.find_certificate(id);
    if (!certificate) continue;
    const auto issuers = broker.view.issuers();
    const auto issuer = std::ranges::find(issuers, certificate->issuer_id, &edge::IssuerFacts::id);
    if (issuer == issuers.end() || !issuer->external.empty()) continue;
    Session session;
    session.principal = client.client_id;
    session.online = true;
    session.tenant_id = facts->tenant_id;
    session.device_id = device;
    session.connection.certificate_id = id;
    session.connection.credential_id = id;
    session.connection.anchor_key = issuer->spki_sha256;
    session.connection.tenant_by_name = broker.tenant.has_value();
    session.connection.not_after = certificate->not_after;
    session.standing = standing_of(state, session);
    if (session.standing.connection_refusal.empty()) return decide(session, question, broker.now);
    refusal = session.standing.connection_refusal;
  }
  return refused(refusal);
}

}  // namespace muster::auth_plugin
