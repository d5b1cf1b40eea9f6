// SPDX-License-Identifier: Apache-2.0
//
// The second half of an enrolment: what is signed is stored, logged and audited in one transaction, then answered.
#include <set>

#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/device_enrolment_item.h"
#include "enroll/profiles.h"
#include "enroll/reasons.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"

namespace muster::enroll {

namespace {

Error refuse(ErrorCode code, std::string_view reason) { return Error{code, reason, {}}; }

}  // namespace

// Transaction 2.
Result<void> DeviceEnrolment::store(db::Transaction& tx, Indices indices) {
  // Asked for before anything is announced: the log is locked shortly before the change numbers are.
  tx.before_commit("enroll.transparency", [this, chosen = std::vector<std::size_t>(indices.begin(), indices.end())](
                                              db::Transaction& last) { return log(last, chosen); });
  for (const std::size_t i : indices) items_[i].refusal.reset();  // a rolled-back attempt may have set it
  MUSTER_TRY_VOID(recheck_first(tx, indices));
  MUSTER_TRY_VOID(redeem_claims(tx, indices));
  std::vector<registry::NewCertificate> certificates;
  std::vector<StoredCertificate> stored;
  std::vector<registry::AuditEvent> events;
  for (const std::size_t i : indices) {
    const Item& item = items_[i];
    if (!item.alive()) continue;
    const x509::Certificate& certificate = *item.certificate;
    certificates.push_back({certificate.id(), item.active->issuer->identity.id, item.serial, item.device->id,
                            certificate.spki_sha256(), certificate.not_before(), certificate.not_after(),
                            item.crl_shard, item.profile, Bytes(certificate.der().begin(), certificate.der().end())});
    stored.push_back({i, certificate.id()});
    registry::AuditEvent event = audit_event(context_, item.request.caller, tenant_, "certificate.issue");
    event.target = "device:" + item.device->id.text();
    event.target_name = item.device->name;
    event.detail.emplace_back(registry::AuditField::kCertificateId, certificate.id_hex());
    event.detail.emplace_back(registry::AuditField::kSerial, certificate.serial_hex());
    event.detail.emplace_back(registry::AuditField::kNewKey, to_hex(certificate.spki_sha256()));
    if (item.profile != kDeviceProfile) event.detail.emplace_back(registry::AuditField::kProfile, item.profile);
    if (!item.old_key.empty()) event.detail.emplace_back(registry::AuditField::kOldKey, item.old_key);
    event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(certificate.not_after()));
    events.push_back(std::move(event));
  }
  if (certificates.empty()) return {};
  MUSTER_TRY_VOID(registry::store_certificates(tx, tenant_, certificates));
  if (also_) MUSTER_TRY_VOID(also_(tx, stored));
  return registry::append_audit_events(tx, events);
}

Result<void> DeviceEnrolment::log(db::Transaction& tx, Indices indices) {
  std::vector<ca::LoggedCertificate> certificates;
  std::vector<std::size_t> logged;
  for (const std::size_t i : indices) {
    const Item& item = items_[i];
    if (!item.alive()) continue;
    certificates.push_back({tenant_, item.active->issuer->identity.id, item.certificate->id()});
    logged.push_back(i);
  }
  MUSTER_TRY(auto inclusions, context_.transparency->append(tx, tenant_, certificates));
  for (std::size_t n = 0; n < logged.size(); ++n) items_[logged[n]].log = std::move(inclusions[n]);
  return {};
}

// Two groups may have reserved a "first" certificate of one device at once: the count under the row lock of this
// transaction decides which of them is stored.
Result<void> DeviceEnrolment::recheck_first(db::Transaction& tx, Indices indices) {
  std::vector<DeviceId> devices;
  std::vector<std::size_t> chosen;
  for (const std::size_t i : indices) {
    if (!items_[i].first_only()) continue;
    devices.push_back(items_[i].device->id);
    chosen.push_back(i);
  }
  if (chosen.empty()) return {};
  MUSTER_TRY(const auto counts, registry::count_certificates(tx, tenant_, devices));
  for (std::size_t n = 0; n < chosen.size(); ++n) {
    if (counts[n] == 0) continue;
    Item& item = items_[chosen[n]];
    item.refusal = refuse(ErrorCode::kPermissionDenied,
                          item.claim ? reasons::kClaimDeviceHasCertificate : reasons::kFactoryFirstOnly);
  }
  return {};
}

// In the transaction that stores: of those who race for one claim, one has it; who fails for another reason has used
// nothing. In the order of the claims, as everybody locks them.
Result<void> DeviceEnrolment::redeem_claims(db::Transaction& tx, Indices indices) {
  std::multimap<ClaimId, std::size_t> wanted;
  for (const std::size_t i : indices) {
    if (items_[i].alive() && items_[i].claim) wanted.emplace(items_[i].claim->id, i);
  }
  for (const auto& [id, i] : wanted) {
    MUSTER_TRY(const bool redeemed, registry::redeem_claim(tx, tenant_, id, context_.clock.now()));
    if (!redeemed) items_[i].refusal = refuse(ErrorCode::kPermissionDenied, reasons::kClaimUsedUp);
  }
  return {};
}

// Of two servers that race for one claim both register a device, since a serial is reserved for it before the claim is
// redeemed; who gets no certificate leaves no device. What somebody else has issued for meanwhile stays.
void DeviceEnrolment::take_back_devices() {
  std::vector<std::size_t> leftover;
  std::vector<DeviceId> devices;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (item.alive() || !item.made_device || !item.claim) continue;
    leftover.push_back(i);
    devices.push_back(item.device->id);
  }
  if (leftover.empty()) return;
  const auto done =
      db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant_), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY(const auto counts, registry::count_certificates(tx, tenant_, devices));
        std::set<DeviceId> gone;
        std::vector<registry::AuditEvent> events;
        for (std::size_t n = 0; n < leftover.size(); ++n) {
          const Item& item = items_[leftover[n]];
          if (counts[n] > 0 || !gone.insert(item.device->id).second) continue;
          const auto deleted = registry::delete_device(tx, tenant_, item.device->id, context_.clock.now());
          if (!deleted.ok() && deleted.error().code != ErrorCode::kNotFound) return deleted.error();
          registry::AuditEvent event = audit_event(context_, item.request.caller, tenant_, "device.delete");
          event.target = "device:" + item.device->id.text();
          event.target_name = item.device->name;
          event.detail.emplace_back(registry::AuditField::kReason, std::string(item.refusal->reason));
          events.push_back(std::move(event));
        }
        return registry::append_audit_events(tx, events);
      });
  if (!done.ok()) context_.log.error("device of a refused claim stays", {{"error", to_log_text(done.error())}});
}

Result<IssuedCertificate> DeviceEnrolment::answer(Item& item) {
  if (item.refusal) {
    context_.metrics
        .counter("muster_enrol_refused_total", "Enrolments refused, by reason",
                 {{"reason", std::string(item.refusal->reason)}})
        .add();
    if (item.request.caller.role == CallerRole::kClaim) return for_claimant(std::move(*item.refusal));
    return std::move(*item.refusal);
  }
  context_.metrics.counter("muster_certificates_issued_total", "Device certificates issued").add();
  const x509::Certificate& certificate = *item.certificate;
  return IssuedCertificate{certificate.id(),
                           certificate.id_hex(),
                           certificate.serial_hex(),
                           certificate.pem(),
                           item.active->issuer->chain_pem,
                           certificate.not_before(),
                           certificate.not_after(),
                           std::move(item.log)};
}

// Refusals that tell of an attempt are audited; an outage is not an attempt.
void DeviceEnrolment::audit_refusals() {
  std::vector<registry::AuditEvent> events;
  for (const Item& item : items_) {
    if (item.alive()) continue;
    const ErrorCode code = item.refusal->code;
    const bool by_claim = item.request.caller.role == CallerRole::kClaim && code == ErrorCode::kFailedPrecondition;
    if (code != ErrorCode::kPermissionDenied && code != ErrorCode::kConflict && !by_claim) continue;
    registry::AuditEvent event = audit_event(context_, item.request.caller, tenant_, "certificate.issue");
    event.outcome = registry::AuditOutcome::kRefused;
    if (item.device) event.target = "device:" + item.device->id.text();
    event.target_name = item.request.device.text();
    event.detail.emplace_back(registry::AuditField::kReason, std::string(item.refusal->reason));
    event.detail.emplace_back(registry::AuditField::kNewKey, to_hex(item.request.csr.spki_sha256()));
    events.push_back(std::move(event));
  }
  if (events.empty()) return;
  const auto written = db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant_), [&](db::Transaction& tx) {
    return registry::append_audit_events(tx, events);
  });
  if (!written.ok()) context_.log.error("refusals not audited", {{"error", to_log_text(written.error())}});
}

}  // namespace muster::enroll
