// SPDX-License-Identifier: Apache-2.0
#include "enroll/external_crl.h"

#include <algorithm>

#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/reasons.h"
#include "x509/certificate.h"
#include "x509/crl_import.h"
#include "x509/external_identity.h"
#include "x509/pem.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::enroll {

namespace {

using registry::ExternalCrlRow;
using registry::TrustAnchorRow;

Error invalid(std::string_view reason) { return Error{ErrorCode::kInvalidArgument, reason, {}}; }

Result<Bytes> to_der(BytesView text) {
  if (text.size() > kMaxExternalCrlBytes) return Error{ErrorCode::kResourceExhausted, x509::reasons::kCrlTooLarge, {}};
  if (!as_text(text).starts_with("-----BEGIN")) return Bytes(text.begin(), text.end());
  auto blocks = x509::read_pem_blocks(as_text(text), "X509 CRL", 1);
  if (!blocks) return invalid(x509::reasons::kCrlMalformed);
  return std::move(blocks->front());
}

// Of one CA several CRLs may be in force: one for each part of what it issued.
Sha256 hash_of(const x509::CrlScope& scope) {
  std::string text;
  for (const bool flag : {scope.is_distribution_point, scope.only_user_certificates, scope.only_ca_certificates}) {
    text += flag ? '1' : '0';
  }
  text += std::to_string(scope.reasons);
  for (const auto& name : scope.names) text += ' ' + std::to_string(name.tag) + ' ' + to_hex(as_bytes(name.value));
  return x509::sha256(as_bytes(text));
}

Result<std::vector<x509::Certificate>> signers_of(const TrustAnchorRow& anchor) {
  std::vector<x509::Certificate> signers;
  MUSTER_TRY(auto own, x509::Certificate::parse_der(anchor.certificate));
  signers.push_back(std::move(own));
  for (const Bytes& der : anchor.intermediates) {
    MUSTER_TRY(auto intermediate, x509::Certificate::parse_der(der));
    signers.push_back(std::move(intermediate));
  }
  return signers;
}

// A CA that changed its key keeps its name: whose signature fits is the issuer.
Result<x509::ImportedCrl> check_by_any(BytesView der, const TrustAnchorRow& anchor, const x509::CrlPolicy& policy) {
  MUSTER_TRY(const BytesView issuer, x509::read_crl_issuer(der));
  MUSTER_TRY(const auto signers, signers_of(anchor));
  std::optional<Error> failure;
  for (const x509::Certificate& signer : signers) {
    if (!std::ranges::equal(signer.subject(), issuer)) continue;
    auto checked = x509::check_crl(der, signer, policy);
    if (checked.ok()) return checked;
    failure = checked.error();
  }
  return failure ? *failure : invalid(reasons::kCrlIssuerUnknown);
}

ExternalCrlRow to_row(const x509::ImportedCrl& crl, CrlOrigin origin, UtcTime now) {
  std::vector<x509::RevocationKey> keys;
  keys.reserve(crl.entries.size());
  for (const x509::CrlEntry& entry : crl.entries) {
    keys.push_back(x509::revocation_key(crl.signer_spki, entry.serial_hex));
  }
  std::ranges::sort(keys);
  ExternalCrlRow row;
  row.issuer_key = crl.signer_spki;
  row.scope = hash_of(crl.scope);
  row.number_hex = crl.number_hex;
  row.this_update = crl.this_update;
  row.next_update = crl.next_update.value_or(crl.this_update);
  row.entries = static_cast<std::int64_t>(keys.size());
  for (const auto& key : keys) row.revoked.insert(row.revoked.end(), key.begin(), key.end());
  row.fetched = origin == CrlOrigin::kFetch;
  row.received_at = now;
  return row;
}

bool is_same(const ExternalCrlRow& a, const ExternalCrlRow& b) {
  return a.number_hex == b.number_hex && a.this_update == b.this_update && a.next_update == b.next_update &&
         a.revoked == b.revoked;
}

registry::AuditEvent crl_event(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                               const IssuerId& anchor, std::string action) {
  registry::AuditEvent event = audit_event(context, caller, tenant, std::move(action));
  event.target = "trust_anchor:" + anchor.text();
  return event;
}

// Whether the CRL may follow what is held of the same issuer and scope, and whether all of them fit.
Result<std::optional<ExternalCrlRow>> check_held(db::Transaction& tx, const TrustAnchorRow& anchor, BytesView der,
                                                 const ExternalCrlRow& fresh, x509::CrlPolicy policy) {
  MUSTER_TRY(const auto held, registry::list_external_crls(tx, anchor.tenant_id, anchor.id));
  MUSTER_TRY(const auto counts, registry::count_revoked(tx, anchor.tenant_id, anchor.id));
  std::int64_t entries = fresh.entries + counts.single;
  std::optional<ExternalCrlRow> same;
  for (const ExternalCrlRow& crl : held) {
    if (crl.issuer_key == fresh.issuer_key && crl.scope == fresh.scope) {
      same = crl;
    } else {
      entries += crl.entries;
    }
  }
  if (entries > kMaxExternalCrlEntries || (!same && held.size() >= kMaxExternalCrls)) {
    return Error{ErrorCode::kResourceExhausted, reasons::kCrlTooManyEntries,
                 std::to_string(kMaxExternalCrlEntries) + " in " + std::to_string(kMaxExternalCrls) + " CRLs"};
  }
  if (!same) return same;
  policy.held_number_hex = same->number_hex;
  policy.held_this_update = same->this_update;
  MUSTER_TRY_VOID(check_by_any(der, anchor, policy));
  return same;
}

}  // namespace

Result<ExternalCrlRow> ExternalCrls::import(const Caller& caller, const TenantId& tenant, const IssuerId& anchor_id,
                                            BytesView crl, CrlOrigin origin) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const Bytes der, to_der(crl));
  const UtcTime now = context_.clock.now();
  x509::CrlPolicy policy{.now = now};
  policy.require_number = false;  // CAs that write version 1 CRLs, or no number, are still obeyed
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<ExternalCrlRow> {
        MUSTER_TRY(const TrustAnchorRow anchor, registry::lock_trust_anchor(tx, tenant, anchor_id));
        if (!anchor.verified_at) return Error{ErrorCode::kConflict, reasons::kAnchorUnverified, {}};
        MUSTER_TRY(const auto checked, check_by_any(der, anchor, policy));
        const ExternalCrlRow fresh = to_row(checked, origin, now);
        MUSTER_TRY(const auto held, check_held(tx, anchor, der, fresh, policy));
        if (held && is_same(*held, fresh)) return *held;
        MUSTER_TRY_VOID(registry::put_external_crl(tx, tenant, anchor_id, fresh));
        MUSTER_TRY_VOID(registry::set_crl_alarm(tx, tenant, anchor_id, std::nullopt));
        auto event = crl_event(context_, caller, tenant, anchor_id, "trust_anchor.crl_import");
        event.detail.emplace_back(registry::AuditField::kCount, std::to_string(fresh.entries));
        event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(fresh.next_update));
        MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
        return fresh;
      });
}

Result<std::size_t> ExternalCrls::raise_alarms() const {
  const UtcTime now = context_.clock.now();
  MUSTER_TRY(const auto expired, db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::list_expired_crls(tx, now);
             }));
  Caller self;
  self.role = CallerRole::kLocal;
  for (const registry::ExpiredCrlAnchor& anchor : expired) {
    if (anchor.alarmed) continue;
    context_.log.warning("CRL of a trust anchor expired", {{"tenant_id", anchor.tenant_id.text()},
                                                           {"anchor_id", anchor.anchor_id.text()},
                                                           {"rule", registry::to_string(anchor.rule)}});
    MUSTER_TRY_VOID(db::run_in_transaction(
        context_.pool, db::Scope::of_tenant(anchor.tenant_id), [&](db::Transaction& tx) -> Result<void> {
          MUSTER_TRY_VOID(registry::set_crl_alarm(tx, anchor.tenant_id, anchor.anchor_id, now));
          auto event = crl_event(context_, self, anchor.tenant_id, anchor.anchor_id, "trust_anchor.crl_expired");
          event.outcome = registry::AuditOutcome::kFailed;
          event.detail.emplace_back(registry::AuditField::kPolicy, registry::to_string(anchor.rule));
          return registry::append_audit_event(tx, event);
        }));
  }
  return expired.size();
}

}  // namespace muster::enroll
