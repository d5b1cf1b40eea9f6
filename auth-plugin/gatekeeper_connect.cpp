// SPDX-License-Identifier: Apache-2.0
//
// The gatekeeper's part for TLS handshakes, CONNECT, DISCONNECT and messages that were let through.
#include <algorithm>

#include "auth-plugin/gatekeeper.h"
#include "auth-plugin/hold_bio.h"
#include "auth-plugin/mqtt_answer.h"
#include "auth-plugin/peer_verification.h"
#include "auth-plugin/reasons.h"
#include "auth-plugin/refused_chain.h"
#include "auth-plugin/registry_standing.h"
#include "x509/sha256.h"

namespace muster::auth_plugin {
namespace {

constexpr std::chrono::milliseconds kLongestHold{10'000};

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

// Half of the keepalive, so that a device whose answers wait hears from us before it gives up by itself.
std::chrono::milliseconds longest_hold(std::chrono::seconds keepalive) {
  if (keepalive.count() <= 0) return kLongestHold;
  return std::min(kLongestHold, std::chrono::milliseconds(keepalive) / 2);
}

}  // namespace

Gatekeeper::Gatekeeper(Parts parts)
    : parts_(std::move(parts)),
      signatures_(parts_.max_known_signatures),
      journal_(parts_.wal, parts_.metrics, parts_.clock, parts_.log_line),
      sessions_(parts_.max_offline_sessions),
      limits_(parts_.limits, parts_.identity, parts_.metrics),
      topics_({sessions_, parts_.identity, parts_.metrics, journal_, parts_.coarse_clock, parts_.max_retained_topics}),
      desk_({parts_.news, parts_.orders, parts_.broker.publish,
             [this](const std::shared_ptr<Session>& session) { cut_older(session); }},
            sessions_, topics_, journal_, parts_.clock,
            {parts_.metrics.registry().counter("muster_broker_commands_sent_total",
                                               "Commands handed to connected devices."),
             parts_.metrics.registry().counter("muster_broker_commands_dropped_total",
                                               "Commands that expired, or that the device may not receive.")}) {}

Result<PeerEvidence> Gatekeeper::judge(const PresentedChain& presented) {
  const ParsedChain chain(presented);
  const IdentityState* state = parts_.identity.current();
  const x509::SignatureMemory::Use before = signatures_.use();
  auto evidence = state ? verify_peer(chain, *state, parts_.trust_domain, parts_.clock.now(), &signatures_)
                        : Result<PeerEvidence>(refused(reasons::kSnapshotAbsent));
  parts_.metrics.handshake(evidence.ok());
  parts_.metrics.signatures(signatures_.use().known - before.known, signatures_.use().unknown - before.unknown);
  if (!evidence.ok()) {
    Stranger stranger = stranger_of(chain);
    if (state) name_tenant(chain, *state, stranger);
    journal_.stranger_refused(stranger, evidence.error().reason);
  }
  return evidence;
}

Result<std::optional<TenantId>> Gatekeeper::tenant_of_server_name(std::string_view name) {
  const std::string_view suffix = parts_.server_name_suffix;
  if (name.size() <= suffix.size() + 1 || !name.ends_with(suffix) || name[name.size() - suffix.size() - 1] != '.') {
    return std::optional<TenantId>();
  }
  const std::string_view label = name.substr(0, name.size() - suffix.size() - 1);
  if (label.find('.') != std::string_view::npos) return std::optional<TenantId>();
  const IdentityState* state = parts_.identity.current();
  const auto tenant = state ? state->view->find_tenant_by_name(label) : std::nullopt;
  if (tenant) return std::optional<TenantId>(tenant->id);
  journal_.stranger_refused({}, reasons::kTenantUnknown);
  return refused(reasons::kTenantUnknown);
}

// The tenant hears of it: the one that the TLS server name picked, or the one whose CA signed the certificate.
void Gatekeeper::name_tenant(const ParsedChain& chain, const IdentityState& state, Stranger& stranger) {
  auto tenant = chain.presented().tenant;
  if (!tenant && journal_.may_look_for_tenant()) tenant = tenant_that_signed(chain, state);
  const auto facts = tenant ? state.view->find_tenant(*tenant) : std::nullopt;
  if (!facts) return;
  stranger.tenant_id = facts->id;
  stranger.tenant_name = facts->name;
}

void Gatekeeper::handshake_refused(std::string_view reason, std::string_view address,
                                   const std::optional<TenantId>& tenant) {
  Stranger stranger;
  stranger.address = address;
  const IdentityState* state = parts_.identity.current();
  const auto facts = state && tenant ? state->view->find_tenant(*tenant) : std::nullopt;
  if (facts) {
    stranger.tenant_id = facts->id;
    stranger.tenant_name = facts->name;
  }
  journal_.stranger_refused(stranger, reason);
}

// The names in a refused certificate are claims: they are logged as such and nothing else follows from them.
Stranger Gatekeeper::stranger_of(const ParsedChain& chain) const {
  static thread_local std::string claimed;
  claimed.clear();
  const auto& leaf = chain.leaf();
  Stranger stranger;
  stranger.address = chain.presented().address;
  stranger.certificate_id = leaf ? leaf->id() : x509::sha256(chain.presented().leaf);
  const auto uri = leaf ? leaf->only_uri_san() : std::nullopt;
  if (!uri) return stranger;
  const auto principal = parse_device_uri(*uri, parts_.trust_domain);
  if (!principal.ok()) return stranger;
  claimed = principal->text();
  stranger.principal = claimed;
  return stranger;
}

Stranger Gatekeeper::stranger_of(const PeerEvidence& evidence, std::string_view address) {
  static thread_local std::string claimed;
  claimed = evidence.principal.text();
  Stranger stranger{claimed, address, {}, {}, {}, evidence.certificate_id};
  const IdentityState* state = parts_.identity.current();
  const auto tenant = state ? state->view->find_tenant(evidence.tenant_id) : std::nullopt;
  if (tenant) {
    stranger.tenant_id = tenant->id;
    stranger.tenant_name = tenant->name;
  }
  const auto certificate = state ? state->view->find_certificate(evidence.credential_id) : std::nullopt;
  if (certificate && certificate->tenant_id == evidence.tenant_id) stranger.device_id = certificate->device_id;
  return stranger;
}

ConnectAnswer Gatekeeper::connect(const ConnectView& view) {
  // SIGHUP asks again for every session, offline ones without a certificate. Refusing one of those corrupts the
  // broker's memory (2.0.11), and all of them were let in by us: who must go is kicked the usual way.
  if (reloading_ && is_known_in_reload(view)) return {std::string(view.client.id)};
  auto opened = open_session(view);
  if (opened.ok()) return {std::move(opened).value()};
  Stranger stranger;
  if (view.proved && view.proved->evidence) stranger = stranger_of(*view.proved->evidence, view.address);
  stranger.address = view.address;
  journal_.stranger_refused(stranger, opened.error().reason);
  return {{}, tell_limit(view, opened.error().reason)};
}

bool Gatekeeper::is_known_in_reload(const ConnectView& view) const {
  if (view.client.id.empty() || view.client.id != view.client.username) return false;
  return !view.has_certificate || sessions_.find_live(view.client.context) != nullptr;
}

Result<std::string> Gatekeeper::open_session(const ConnectView& view) {
  ConnectQuestion question;
  question.state = parts_.identity.current();
  question.snapshot_fresh = parts_.identity.is_fresh();
  question.evidence = view.proved ? view.proved->evidence : nullptr;
  question.resumed = view.proved && view.proved->resumed;
  question.has_certificate = view.has_certificate;
  question.client_id = view.client.id;
  question.now = parts_.clock.now();
  auto decided = decide_connect(question);
  if (!decided.ok()) {
    report_unknown(question, decided.error().reason);
    return std::move(decided).error();
  }
  Session admitted = std::move(decided).value();
  if (const auto reason = connect_limit(admitted); !reason.empty()) return refused(reason);

  admitted.connection.hold = install_hold(view);
  if (!admitted.connection.hold) return refused(reasons::kHoldUnavailable);
  admitted.connection.id = ConnectionId::random();
  admitted.connection.start = parts_.clock.now_micros();
  admitted.connection.began = boottime_now().count();
  admitted.connection.tls = view.proved->connection;
  admitted.connection.mqtt5 = view.protocol_version == kMqtt5;
  const auto session = sessions_.admit(view.client.context, admitted);
  limits_.connected(*session);
  topics_.refresh_standing(*session);
  if (session->queue_is_foreign) fresh_.push_back(session);
  add_deadline(session);
  journal_.connected(*session, session->connection);
  desk_.began(*session);
  connection_opened(view.proved->connection);
  return session->principal;
}

// A device of a tenant's own PKI that is not registered is refused like any other. Where its anchor says so, the server
// hears of it, and decides by itself whether the device's next attempt finds it registered.
void Gatekeeper::report_unknown(const ConnectQuestion& question, std::string_view reason) {
  if (reason != reasons::kDeviceNotRegistered || !parts_.registrations) return;
  const PeerEvidence& evidence = *question.evidence;
  if (!evidence.external || evidence.external->chain.empty()) return;
  parts_.registrations->offer({evidence.tenant_id, evidence.issuer_id, evidence.external->chain});
}

void Gatekeeper::add_deadline(const std::shared_ptr<Session>& session) {
  deadlines_.push({session->connection.not_after, session, session->connection.id});
  if (deadlines_.size() <= 2 * sessions_.live_count() + 1024) return;
  deadlines_ = {};  // mostly of connections that are gone
  for (const auto& online : sessions_.online_sessions()) {
    deadlines_.push({online->connection.not_after, online, online->connection.id});
  }
}

std::shared_ptr<HoldConnection> Gatekeeper::install_hold(const ConnectView& view) const {
  const int socket = socket_of(view.proved->connection);
  if (socket < 0) return nullptr;
  auto hold = std::make_shared<HoldConnection>(parts_.holds, socket, longest_hold(view.keepalive));
  return install_hold_bio(view.proved->connection, hold) ? hold : nullptr;
}

PublishAnswer Gatekeeper::publish(const ClientView& client, const MessageView& message) {
  const auto* live = sessions_.find_live(client.context);
  if (!live || live->session->principal != client.id || client.id != client.username) return PublishAnswer::kCut;
  live->session->queue_is_foreign = false;
  const auto sequence = journal_.published(*live->session, live->facts, message);
  if (!sequence.ok()) {
    if (sequence.error().reason == reasons::kDeviceQuota) delay_return(*live->session);
    journal_.denied(*live->session, "publish", sequence.error().reason, message.topic);
    return PublishAnswer::kCut;
  }
  if (sequence.value() > 0) {
    live->facts.hold->require(sequence.value());
    limits_.in_flight(*live->session, sequence.value());
  }
  desk_.published(*live->session, message.topic);
  return PublishAnswer::kAccept;
}

void Gatekeeper::disconnected(const void* context) {
  const SessionTable::Live live = sessions_.disconnect(context);
  if (!live.session) return;
  limits_.disconnected(*live.session);
  journal_.disconnected(*live.session, live.facts);
  desk_.ended(live.facts);
}

bool Gatekeeper::may_subscribe(const ClientView& client, std::string_view filter, std::uint8_t qos) {
  if (!topics_.may_subscribe(client, filter, qos)) return false;
  desk_.subscribed();
  return true;
}

}  // namespace muster::auth_plugin
