// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/registry_standing.h"

#include <algorithm>

#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

using edge::EntityStatus;

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

std::string_view tenant_refusal(EntityStatus status) {
  switch (status) {
    case EntityStatus::kActive: return {};
    case EntityStatus::kSuspended: return reasons::kTenantSuspended;
    case EntityStatus::kGone: return reasons::kTenantGone;
  }
  return reasons::kInternal;
}

std::string_view device_refusal(EntityStatus status) {
  switch (status) {
    case EntityStatus::kActive: return {};
    case EntityStatus::kSuspended: return reasons::kDeviceSuspended;
    case EntityStatus::kGone: return reasons::kDeviceGone;
  }
  return reasons::kInternal;
}

std::string_view certificate_refusal(EntityStatus status) {
  switch (status) {
    case EntityStatus::kActive: return {};
    case EntityStatus::kSuspended: return reasons::kCertificateSuspended;
    case EntityStatus::kGone: return reasons::kCertificateRevoked;
  }
  return reasons::kInternal;
}

// A grant ends with the device that it is on, and rests while that one is suspended.
std::vector<GrantedTopics> grants_in_force(const edge::IdentityView& view, const TenantId& tenant,
                                           const std::vector<edge::GrantFacts>& grants) {
  std::vector<GrantedTopics> held;
  held.reserve(grants.size());
  for (const edge::GrantFacts& grant : grants) {
    const auto on = view.find_device(grant.on);
    if (!on || on->tenant_id != tenant || on->status != EntityStatus::kActive) continue;
    held.push_back({grant.device, grant.actions, grant.max_qos, grant.max_payload, grant.filter});
  }
  std::ranges::stable_sort(held, {}, &GrantedTopics::device);
  return held;
}

std::string_view judge_device(const edge::IdentityView& view, const Session& session, Standing& standing) {
  const auto tenant = view.find_tenant(session.tenant_id);
  if (!tenant) return reasons::kTenantUnknown;
  if (const auto reason = tenant_refusal(tenant->status); !reason.empty()) return reason;
  auto device = view.find_device(session.device_id);
  if (!device) return reasons::kDeviceUnknown;
  if (device->tenant_id != session.tenant_id) return reasons::kTenantMismatch;
  if (const auto reason = device_refusal(device->status); !reason.empty()) return reason;
  const bool same_name = tenant->name == session.tenant_part() && device->may_be_called(session.device_part());
  if (!same_name || !device->policy) return reasons::kDeviceMismatch;
  standing.policy = device->policy;
  standing.rules = standing.policy->rules_address();
  standing.tenant_octets = tenant->name.size();
  standing.groups = std::move(device->groups);
  standing.labels = std::move(device->labels);
  standing.grants = grants_in_force(view, session.tenant_id, device->grants);
  return {};
}

// A device of the tenant's own PKI, by the anchor that its registration names.
std::string_view judge_external(const IdentityState& state, const Session& session, const IssuerId& anchor_id) {
  const ExternalAnchorEntry* anchor = state.external ? state.external->find(anchor_id) : nullptr;
  if (!anchor) return reasons::kIssuerNotActive;
  if (anchor->tenant_id != session.tenant_id) return reasons::kTenantMismatch;
  if (anchor->key != session.connection.anchor_key) return reasons::kIssuerMismatch;
  if (anchor->status != EntityStatus::kActive) return reasons::kTrustAnchorSuspended;
  const bool revoked = x509::is_revoked(session.connection.external->revocation_keys, anchor->anchor.revoked);
  return revoked ? reasons::kCertificateRevoked : std::string_view();
}

std::string_view judge_certificate(const IdentityState& state, const Session& session) {
  const edge::IdentityView& view = *state.view;
  const auto certificate = view.find_certificate(session.connection.credential_id);
  if (!certificate) {
    return session.connection.external ? reasons::kDeviceNotRegistered : reasons::kCertificateNotListed;
  }
  if (certificate->tenant_id != session.tenant_id) return reasons::kTenantMismatch;
  if (certificate->device_id != session.device_id) return reasons::kDeviceMismatch;
  if (const auto reason = certificate_refusal(certificate->status); !reason.empty()) return reason;

  const auto issuers = view.find_issuers_by_key(session.connection.anchor_key);
  bool own = false;
  bool listed = false;
  for (const edge::IssuerFacts& issuer : issuers) {
    if (issuer.tenant_id != session.tenant_id) {
      // Also where the other tenant has it suspended: whose device this is stays in doubt.
      if (issuer.status == EntityStatus::kGone || session.connection.tenant_by_name) continue;
      return reasons::kIssuerAmbiguous;
    }
    if (issuer.status != EntityStatus::kActive) continue;
    own = true;
    listed = listed || issuer.id == certificate->issuer_id;
  }
  if (session.connection.external) return judge_external(state, session, certificate->issuer_id);
  if (!own) return reasons::kIssuerNotActive;
  return listed ? std::string_view() : reasons::kIssuerMismatch;
}

}  // namespace

Standing standing_of(const IdentityState& state, const Session& session) {
  Standing standing;
  standing.generation = state.generation;
  standing.device_refusal = judge_device(*state.view, session, standing);
  standing.connection_refusal = standing.device_refusal;
  if (standing.connection_refusal.empty()) standing.connection_refusal = judge_certificate(state, session);
  return standing;
}

bool is_held(const IdentityState& state, const TenantId& id) {
  const auto tenant = state.view->find_tenant(id);
  return tenant && tenant->status != EntityStatus::kGone;
}

bool is_held(const IdentityState& state, const DeviceId& id) {
  const auto device = state.view->find_device(id);
  return device && device->status != EntityStatus::kGone && is_held(state, device->tenant_id);
}

Result<Session> decide_connect(const ConnectQuestion& question) {
  if (!question.has_certificate) return refused(reasons::kCertificateMissing);
  if (!question.evidence || question.resumed) return refused(reasons::kCertificateUnproved);
  if (!question.state) return refused(reasons::kSnapshotAbsent);
  if (!question.snapshot_fresh) return refused(reasons::kSnapshotStale);
  const PeerEvidence& evidence = *question.evidence;
  const auto certificate = question.state->view->find_certificate(evidence.credential_id);
  if (!certificate) {
    return refused(evidence.external ? reasons::kDeviceNotRegistered : reasons::kCertificateNotListed);
  }
  if (certificate->tenant_id != evidence.tenant_id) return refused(reasons::kTenantMismatch);

  Session session;
  session.principal = evidence.principal.text();
  session.tenant_id = certificate->tenant_id;
  session.device_id = certificate->device_id;
  session.connection.certificate_id = evidence.certificate_id;
  session.connection.anchor_key = evidence.anchor_key;
  session.connection.credential_id = evidence.credential_id;
  session.connection.tenant_by_name = evidence.tenant_by_name;
  session.connection.serial = evidence.serial;
  session.connection.external = evidence.external;
  session.connection.not_after = std::min(evidence.not_after, certificate->not_after);
  session.standing = standing_of(*question.state, session);
  if (!session.standing.connection_refusal.empty()) return refused(session.standing.connection_refusal);
  // notAfter is the last second of validity [RFC5280 4.1.2.5].
  if (question.now > session.connection.not_after) return refused(reasons::kCertificateExpired);
  if (question.client_id != session.principal) return refused(reasons::kClientIdMismatch);
  return session;
}

}  // namespace muster::auth_plugin
