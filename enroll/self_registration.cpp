// SPDX-License-Identifier: Apache-2.0
#include "enroll/self_registration.h"

#include <algorithm>

#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/reasons.h"
#include "enroll/trust_anchor.h"
#include "enroll/trust_anchor_checks.h"
#include "registry/device_store.h"
#include "registry/reasons.h"
#include "x509/reasons.h"

namespace muster::enroll {

namespace {

using registry::TrustAnchorRow;

constexpr std::size_t kMaxClaimedChain = 9;

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

// An anchor that is not there is no other answer: an edge learns nothing of tenants by asking.
Result<TrustAnchorRow> open_anchor(db::Transaction& tx, const RegistrationClaim& claim) {
  auto anchor = registry::lock_trust_anchor(tx, claim.tenant, claim.anchor);
  if (!anchor.ok() && anchor.error().reason != registry::kTrustAnchorNotFound) return anchor;
  const bool open =
      anchor.ok() && anchor->status == registry::TrustAnchorStatus::kActive && anchor->self_registration.enabled;
  if (!open) return refused(reasons::kRegistrationOff);
  return anchor;
}

Result<DeviceName> verified_name(db::Transaction& tx, const TrustAnchorRow& row, const RegistrationClaim& claim,
                                 UtcTime now) {
  std::vector<x509::Certificate> certificates;
  for (const Bytes& der : claim.chain) {
    MUSTER_TRY(auto certificate, x509::Certificate::parse_der(der));
    certificates.push_back(std::move(certificate));
  }
  MUSTER_TRY(const auto anchor, to_external_anchor(tx, row));
  const std::span<const x509::Certificate> presented{certificates.begin() + 1, certificates.end()};
  const auto chain = x509::judge_external_chain(certificates.front(), presented, anchor, now);
  if (!chain.findings.empty()) return refused(chain.findings.front().reason);
  if (!chain.valid() || !chain.device) return refused(x509::reasons::kChainAnchorUnknown);
  return *chain.device;
}

Result<void> check_limits(db::Transaction& tx, const TrustAnchorRow& anchor, const DeviceName& name, UtcTime now) {
  if (is_denied(anchor.self_registration.denied, name.text())) return refused(reasons::kRegistrationDenied);
  // Also a device that was deleted or retired: what an admin took away does not come back by itself, and a certificate
  // takes over no device that is registered in another way.
  MUSTER_TRY(const bool taken, registry::was_device_name_used(tx, anchor.tenant_id, name.text()));
  if (taken) return refused(reasons::kRegistrationNameTaken);
  MUSTER_TRY(const auto count, registry::count_self_registered(tx, anchor.tenant_id, anchor.id));
  if (count >= anchor.self_registration.max_devices) return refused(reasons::kRegistrationLimit);
  MUSTER_TRY(const bool turn, registry::take_registration_turn(tx, anchor, now));
  if (!turn) return Error{ErrorCode::kResourceExhausted, reasons::kRegistrationRate, {}};
  return {};
}

Result<void> store(db::Transaction& tx, const AuthorityContext& context, const Caller& caller,
                   const TrustAnchorRow& anchor, const DeviceName& name) {
  registry::NewDevice device{
      .name = name, .labels = {}, .groups = {}, .policy_id = {}, .created_by = "trust_anchor:" + anchor.id.text()};
  if (!anchor.self_registration.group.empty()) device.groups.push_back(anchor.self_registration.group);
  MUSTER_TRY(const auto made, registry::create_device(tx, anchor.tenant_id, device));
  MUSTER_TRY_VOID(registry::insert_credential(tx, {.id = x509::external_credential_id(anchor.id, name),
                                                   .tenant_id = anchor.tenant_id,
                                                   .anchor_id = anchor.id,
                                                   .device_id = made.id,
                                                   .device_name = name.text(),
                                                   .self_registered = true,
                                                   .created_at = context.clock.now()}));
  registry::AuditEvent event = audit_event(context, caller, anchor.tenant_id, "device.self_register");
  event.target = "device:" + made.id.text();
  event.target_name = name.text();
  event.detail.emplace_back(registry::AuditField::kIssuerId, anchor.id.text());
  return registry::append_audit_event(tx, event);
}

}  // namespace

Result<std::string> DeviceRegistrar::register_device(const Caller& caller, std::span<const TenantId> served,
                                                     const RegistrationClaim& claim) const {
  if (caller.role != CallerRole::kEdge || !caller.edge) return refused(reasons::kCallerForbidden);
  if (!served.empty() && std::ranges::find(served, claim.tenant) == served.end()) {
    return refused(reasons::kRegistrationTenant);
  }
  if (claim.chain.empty() || claim.chain.size() > kMaxClaimedChain) {
    return refused(x509::reasons::kChainTooManyPresented);
  }
  const UtcTime now = context_.clock.now();
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(claim.tenant), [&](db::Transaction& tx) -> Result<std::string> {
        MUSTER_TRY(const TrustAnchorRow anchor, open_anchor(tx, claim));
        MUSTER_TRY(const DeviceName name, verified_name(tx, anchor, claim, now));
        MUSTER_TRY(const auto known,
                   registry::find_credential(tx, claim.tenant, x509::external_credential_id(anchor.id, name)));
        if (known) return name.text();
        MUSTER_TRY_VOID(check_limits(tx, anchor, name, now));
        MUSTER_TRY_VOID(store(tx, context_, caller, anchor, name));
        return name.text();
      });
}

}  // namespace muster::enroll
