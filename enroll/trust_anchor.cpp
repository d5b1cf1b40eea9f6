// SPDX-License-Identifier: Apache-2.0
#include "enroll/trust_anchor.h"

#include <algorithm>

#include "core/encoding.h"
#include "core/random.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/external_crl.h"
#include "enroll/reasons.h"
#include "enroll/trust_anchor_checks.h"
#include "registry/device_store.h"
#include "registry/reasons.h"
#include "x509/oids.h"
#include "x509/sha256.h"

namespace muster::enroll {

namespace {

using registry::TrustAnchorRow;
using registry::TrustAnchorStatus;

constexpr std::chrono::hours kCodeLife{24};
constexpr std::string_view kCodePrefix = "muster-proof-";  // 13 + 32 characters: a CN has room for 64

std::string new_code() { return std::string(kCodePrefix) + to_hex(random_bytes(16)); }

Error conflict(std::string_view reason) { return Error{ErrorCode::kConflict, reason, {}}; }

registry::AuditEvent anchor_event(const AuthorityContext& context, const Caller& caller, const TrustAnchorRow& anchor,
                                  std::string action) {
  registry::AuditEvent event = audit_event(context, caller, anchor.tenant_id, std::move(action));
  event.target = "trust_anchor:" + anchor.id.text();
  event.detail.emplace_back(registry::AuditField::kNewKey, to_hex(anchor.spki_sha256));
  event.detail.emplace_back(registry::AuditField::kStatus, to_string(anchor.status));
  return event;
}

TrustAnchorRow to_row(const TenantId& tenant, const NewTrustAnchor& request,
                      const std::vector<x509::Certificate>& certificates) {
  TrustAnchorRow row;
  row.id = IssuerId::random();
  row.tenant_id = tenant;
  row.spki_sha256 = certificates.front().spki_sha256();
  const BytesView subject = certificates.front().subject();
  row.subject.assign(subject.begin(), subject.end());
  for (const x509::Certificate& certificate : certificates) {
    const BytesView der = certificate.der();
    row.intermediates.emplace_back(der.begin(), der.end());
  }
  row.certificate = row.intermediates.front();
  row.intermediates.erase(row.intermediates.begin());
  row.not_after = certificates.front().not_after();
  row.source = request.source;
  row.prefix = request.prefix;
  row.self_registration = request.self_registration;
  row.expired_crl = request.expired_crl;
  row.crl = request.crl;
  return row;
}

// A CA of ours as an anchor would let a thief of its key, or one that was retired, mint devices past the allow-list.
Result<void> refuse_keys_of_ours(db::Transaction& tx, const TenantId& tenant,
                                 const std::vector<x509::Certificate>& certificates) {
  for (const x509::Certificate& certificate : certificates) {
    MUSTER_TRY(const bool ours, registry::is_key_of_ours(tx, certificate.spki_sha256()));
    if (ours) return conflict(reasons::kAnchorKeyOurs);
  }
  return tx.enter(db::Scope::of_tenant(tenant));
}

// Anybody has the private half of such a key, and with it all devices of the tenant.
Result<void> refuse_blocked_keys(const AuthorityContext& context, const std::vector<x509::Certificate>& certificates) {
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (!context.blocked_keys.contains(certificates[i].spki(), certificates[i].spki_sha256())) continue;
    return Error{ErrorCode::kInvalidArgument, reasons::kAnchorKeyWeak,
                 "certificate " + std::to_string(i) + ": on the list of blocked keys"};
  }
  return {};
}

Result<void> check_proof(const TrustAnchorRow& anchor, const x509::Certificate& proof, const Sha256& code,
                         UtcTime now) {
  MUSTER_TRY(const auto trust, x509::TrustAnchor::parse_der(anchor.certificate));
  const auto refused = [](std::string_view reason) { return Error{ErrorCode::kInvalidArgument, reason, {}}; };
  const bool named = std::ranges::equal(proof.issuer(), trust.certificate().subject());
  const auto verified = trust.key().verify(proof.signature_algorithm(), proof.tbs(), proof.signature());
  if (!named || !verified.ok() || now > proof.not_after()) return refused(reasons::kAnchorProofInvalid);
  const auto names = x509::subject_values(proof, x509::oid::kCommonName);
  const bool same = names.sound && names.values.size() == 1 && x509::sha256(as_bytes(names.values.front())) == code;
  if (!same) return refused(reasons::kAnchorProofDiffers);
  return {};
}

bool is_step(TrustAnchorStatus from, TrustAnchorStatus to) {
  if (from == to) return true;
  if (from == TrustAnchorStatus::kRevoked || to == TrustAnchorStatus::kUnverified) return false;
  return from != TrustAnchorStatus::kUnverified || to == TrustAnchorStatus::kRevoked;
}

Result<void> apply(const TrustAnchorUpdate& update, TrustAnchorRow& row) {
  if (update.status) {
    if (!is_step(row.status, *update.status)) {
      return Error{ErrorCode::kFailedPrecondition, reasons::kAnchorStatusInvalid,
                   "the anchor is " + std::string(to_string(row.status))};
    }
    row.status = *update.status;
  }
  if (update.self_registration) {
    MUSTER_TRY(row.self_registration, check_self_registration(*update.self_registration));
  }
  if (update.expired_crl) row.expired_crl = *update.expired_crl;
  if (!update.crl) return {};
  row.crl = *update.crl;
  return check_crl_source(row.crl);
}

Result<registry::Device> device_to_bind(db::Transaction& tx, const TenantId& tenant, const DeviceName& name,
                                        CreateDevice create, const std::string& creator) {
  MUSTER_TRY(auto found, registry::find_device(tx, tenant, name));
  if (found) return std::move(*found);
  if (create == CreateDevice::kNo) return Error{ErrorCode::kNotFound, registry::kDeviceNotFound, {}};
  registry::NewDevice device{.name = name, .labels = {}, .groups = {}, .policy_id = {}, .created_by = creator};
  return registry::create_device(tx, tenant, device);
}

}  // namespace

Result<MadeTrustAnchor> TrustAnchors::create(const Caller& caller, const TenantId& tenant,
                                             const NewTrustAnchor& request) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  const UtcTime now = context_.clock.now();
  MUSTER_TRY(const auto certificates, check_anchor_certificates(request.certificates_pem, now));
  MUSTER_TRY_VOID(refuse_blocked_keys(context_, certificates));
  MUSTER_TRY_VOID(check_prefix(request.prefix));
  MUSTER_TRY_VOID(check_self_registration(request.self_registration));
  MUSTER_TRY_VOID(check_crl_source(request.crl));
  MadeTrustAnchor made{to_row(tenant, request, certificates), new_code()};
  made.row.code_sha256 = x509::sha256(as_bytes(made.code));
  made.row.code_expires_at = now + kCodeLife;
  MUSTER_TRY(made.row, db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant),
                                              [&](db::Transaction& tx) -> Result<TrustAnchorRow> {
                                                MUSTER_TRY_VOID(refuse_keys_of_ours(tx, tenant, certificates));
                                                MUSTER_TRY(auto row, registry::insert_trust_anchor(tx, made.row));
                                                const auto event =
                                                    anchor_event(context_, caller, row, "trust_anchor.create");
                                                MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
                                                return row;
                                              }));
  return made;
}

Result<MadeTrustAnchor> TrustAnchors::renew_code(const Caller& caller, const TenantId& tenant,
                                                 const IssuerId& id) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  const std::string code = new_code();
  const UtcTime expires_at = context_.clock.now() + kCodeLife;
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<MadeTrustAnchor> {
        MUSTER_TRY(auto row, registry::lock_trust_anchor(tx, tenant, id));
        MUSTER_TRY(const bool renewed, registry::renew_code(tx, tenant, id, x509::sha256(as_bytes(code)), expires_at));
        if (!renewed) return conflict(reasons::kAnchorVerified);
        row.code_expires_at = expires_at;
        MUSTER_TRY_VOID(
            registry::append_audit_event(tx, anchor_event(context_, caller, row, "trust_anchor.renew_code")));
        return MadeTrustAnchor{std::move(row), code};
      });
}

Result<TrustAnchorRow> TrustAnchors::verify(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                            const std::string& certificate_pem) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const auto proof, x509::Certificate::parse_pem(certificate_pem));
  const UtcTime now = context_.clock.now();
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<TrustAnchorRow> {
        MUSTER_TRY(const TrustAnchorRow row, registry::get_trust_anchor(tx, tenant, id));
        if (row.status != TrustAnchorStatus::kUnverified || !row.code_sha256 || !row.code_expires_at) {
          return conflict(reasons::kAnchorVerified);
        }
        if (now > *row.code_expires_at) return conflict(reasons::kAnchorCodeExpired);
        MUSTER_TRY_VOID(check_proof(row, proof, *row.code_sha256, now));
        MUSTER_TRY(const bool redeemed, registry::redeem_code(tx, tenant, id, *row.code_sha256, now));
        if (!redeemed) return conflict(reasons::kAnchorVerified);  // somebody else came first
        MUSTER_TRY(auto verified, registry::get_trust_anchor(tx, tenant, id));
        MUSTER_TRY_VOID(
            registry::append_audit_event(tx, anchor_event(context_, caller, verified, "trust_anchor.verify")));
        return verified;
      });
}

Result<TrustAnchorRow> TrustAnchors::update(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                            const TrustAnchorUpdate& update) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<TrustAnchorRow> {
        MUSTER_TRY(TrustAnchorRow row, registry::lock_trust_anchor(tx, tenant, id));
        MUSTER_TRY_VOID(apply(update, row));
        MUSTER_TRY_VOID(registry::update_trust_anchor(tx, row));
        MUSTER_TRY_VOID(registry::append_audit_event(tx, anchor_event(context_, caller, row, "trust_anchor.update")));
        return row;
      });
}

Result<void> TrustAnchors::remove(const Caller& caller, const TenantId& tenant, const IssuerId& id) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const TrustAnchorRow row, registry::lock_trust_anchor(tx, tenant, id));
    MUSTER_TRY_VOID(registry::delete_trust_anchor(tx, tenant, id));
    return registry::append_audit_event(tx, anchor_event(context_, caller, row, "trust_anchor.delete"));
  });
}

Result<registry::ExternalCredential> TrustAnchors::bind(const Caller& caller, const TenantId& tenant,
                                                        const IssuerId& id, const std::string& device,
                                                        CreateDevice create) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const DeviceName name, DeviceName::parse(device));
  using Credential = registry::ExternalCredential;
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<Credential> {
        MUSTER_TRY(const TrustAnchorRow anchor, registry::lock_trust_anchor(tx, tenant, id));
        if (!anchor.verified_at) return conflict(reasons::kAnchorUnverified);
        MUSTER_TRY(const auto bound, device_to_bind(tx, tenant, name, create, caller.audit_name()));
        Credential credential{.id = x509::external_credential_id(id, name),
                              .tenant_id = tenant,
                              .anchor_id = id,
                              .device_id = bound.id,
                              .device_name = bound.name,
                              .self_registered = false,
                              .created_at = context_.clock.now()};
        MUSTER_TRY_VOID(registry::insert_credential(tx, credential));
        auto event = anchor_event(context_, caller, anchor, "trust_anchor.device_bind");
        event.detail.emplace_back(registry::AuditField::kName, bound.name);
        MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
        return credential;
      });
}

Result<void> TrustAnchors::unbind(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                  const std::string& device) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const DeviceName name, DeviceName::parse(device));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const TrustAnchorRow anchor, registry::get_trust_anchor(tx, tenant, id));
    MUSTER_TRY_VOID(registry::delete_credential(tx, tenant, x509::external_credential_id(id, name)));
    auto event = anchor_event(context_, caller, anchor, "trust_anchor.device_unbind");
    event.detail.emplace_back(registry::AuditField::kName, name.text());
    return registry::append_audit_event(tx, event);
  });
}

Result<bool> TrustAnchors::revoke(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                  const std::string& certificate_pem) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_pem(certificate_pem));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<bool> {
    MUSTER_TRY(const TrustAnchorRow anchor, registry::lock_trust_anchor(tx, tenant, id));
    MUSTER_TRY(const bool fresh,
               registry::insert_external_revocation(tx, tenant, id, certificate.id(), context_.clock.now()));
    if (!fresh) return false;
    MUSTER_TRY(const auto counts, registry::count_revoked(tx, tenant, id));
    if (counts.single + counts.on_crls > kMaxExternalCrlEntries) {
      return Error{ErrorCode::kResourceExhausted, reasons::kCrlTooManyEntries, std::to_string(kMaxExternalCrlEntries)};
    }
    auto event = anchor_event(context_, caller, anchor, "trust_anchor.certificate_revoke");
    event.detail.emplace_back(registry::AuditField::kCertificateId, certificate.id_hex());
    MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
    return true;
  });
}

Result<std::vector<x509::RevocationKey>> revoked_keys(db::Transaction& tx, const TrustAnchorRow& row) {
  std::vector<x509::RevocationKey> keys;
  MUSTER_TRY(const auto crls, registry::list_external_crls(tx, row.tenant_id, row.id));
  for (const auto& crl : crls) {
    for (std::size_t at = 0; at + 16 <= crl.revoked.size(); at += 16) {
      x509::RevocationKey& key = keys.emplace_back();
      std::copy_n(crl.revoked.begin() + static_cast<std::ptrdiff_t>(at), key.size(), key.begin());
    }
  }
  MUSTER_TRY(const auto certificates, registry::list_external_revocations(tx, row.tenant_id, row.id));
  for (const Sha256& certificate : certificates) keys.push_back(x509::revocation_key(certificate));
  std::ranges::sort(keys);
  return keys;
}

Result<x509::ExternalAnchor> to_external_anchor(db::Transaction& tx, const TrustAnchorRow& row) {
  MUSTER_TRY(auto trust, x509::TrustAnchor::parse_der(row.certificate));
  x509::ExternalAnchor anchor{.trust = std::move(trust),
                              .intermediates = {},
                              .rule = {row.source, row.prefix},
                              .expired_crl = x509::ExpiredCrl::kNotUsed,
                              .crls = {},
                              .revoked = {}};
  for (const Bytes& der : row.intermediates) {
    MUSTER_TRY(auto certificate, x509::Certificate::parse_der(der));
    anchor.intermediates.push_back(std::move(certificate));
  }
  MUSTER_TRY(const auto crls, registry::list_external_crls(tx, row.tenant_id, row.id));
  for (const auto& crl : crls) {
    const auto known = std::ranges::find(anchor.crls, crl.issuer_key, &x509::CrlDeadline::issuer_key);
    if (known == anchor.crls.end()) {
      anchor.crls.push_back({crl.issuer_key, crl.next_update});
    } else {
      known->next_update = std::min(known->next_update, crl.next_update);
    }
  }
  if (!crls.empty() || !row.crl.url.empty()) {
    anchor.expired_crl = row.expired_crl == registry::ExpiredCrlRule::kFailClosed ? x509::ExpiredCrl::kFailClosed
                                                                                  : x509::ExpiredCrl::kLastKnownGood;
  }
  MUSTER_TRY(anchor.revoked, revoked_keys(tx, row));
  return anchor;
}

}  // namespace muster::enroll
