// SPDX-License-Identifier: Apache-2.0
#include "enroll/issuer_desk.h"

#include <algorithm>

#include "ca/signer.h"
#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/ca_creation.h"
#include "enroll/ca_maker.h"
#include "enroll/issuer_chain.h"
#include "enroll/reasons.h"
#include "enroll/registration_authority.h"
#include "registry/audit_store.h"
#include "registry/reasons.h"
#include "registry/tenant_store.h"
#include "x509/certificate.h"
#include "x509/pem.h"
#include "x509/sha256.h"

namespace muster::enroll {

namespace {

using registry::Issuer;
using registry::IssuerKind;
using registry::IssuerOrigin;
using registry::IssuerStatus;

Error refuse(ErrorCode code, std::string_view reason, std::string detail = {}) {
  return Error{code, reason, std::move(detail)};
}

Result<registry::Tenant> living_tenant(db::Transaction& tx, const TenantId& id) {
  MUSTER_TRY(auto tenant, registry::get_tenant_by_id(tx, id));
  const bool living =
      tenant.status == registry::TenantStatus::kActive || tenant.status == registry::TenantStatus::kSuspended;
  if (!living) return refuse(ErrorCode::kFailedPrecondition, reasons::kTenantInactive);
  return tenant;
}

Result<void> require_room(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto count, registry::count_issuers(tx, tenant));
  if (count.in_use < kMaxIssuersInUse && count.ever < kMaxIssuersEver) return {};
  return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerTooMany,
                std::to_string(kMaxIssuersInUse) + " not retired, " + std::to_string(kMaxIssuersEver) + " in all");
}

// The issuer as it is now, with its slot locked, so that changes of who signs come one by one.
Result<Issuer> locked(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  MUSTER_TRY(const Issuer seen, registry::get_issuer_of(tx, tenant, id));
  MUSTER_TRY(auto group, registry::lock_issuers(tx, tenant, IssuerKind::kTenantIssuing, seen.slot));
  const auto found = std::ranges::find(group, id, &Issuer::id);
  if (found == group.end()) return refuse(ErrorCode::kNotFound, registry::kIssuerNotFound);
  return std::move(*found);
}

ChainExpectation expectation(const AuthorityContext& context, const Issuer& issuer, const std::string& tenant_name) {
  return {
      issuer.spki_sha256, path_length_needed(issuer.kind), {uri_host_of(context, tenant_name)}, context.clock.now()};
}

registry::AuditEvent issuer_event(const AuthorityContext& context, const Caller& caller, const Issuer& issuer,
                                  std::string action) {
  registry::AuditEvent event = audit_event(context, caller, issuer.tenant_id, std::move(action));
  event.target = "issuer:" + issuer.id.text();
  event.target_name = issuer.name;
  return event;
}

}  // namespace

IssuerDesk::IssuerDesk(RegistrationAuthority& authority) : context_(authority.context()) {}

Result<Issuer> IssuerDesk::create(const Caller& caller, const TenantId& tenant, const NewIssuer& wanted) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  if (!registry::is_issuer_slot(wanted.slot)) return refuse(ErrorCode::kInvalidArgument, reasons::kIssuerSlotInvalid);
  const db::Scope scope = db::Scope::of_tenant(tenant);
  MUSTER_TRY(const registry::Tenant row,
             db::run_in_transaction(context_.pool, scope, [&](db::Transaction& tx) -> Result<registry::Tenant> {
               MUSTER_TRY_VOID(require_room(tx, tenant));  // before a key is made
               return living_tenant(tx, tenant);
             }));
  std::optional<Issuer> parent;
  if (wanted.origin == IssuerOrigin::kInternal) {
    MUSTER_TRY(parent, db::run_in_transaction(context_.pool, db::Scope::system(),
                                              [&](db::Transaction& tx) { return active_intermediate(context_, tx); }));
  }
  CaOrder order = issuing_order(context_, row, parent ? &*parent : nullptr);
  order.key_kind = wanted.key_kind;
  order.status = IssuerStatus::kPrepare;
  order.slot = wanted.slot;
  order.name = wanted.name;
  order.validity_seconds = wanted.validity_seconds;
  MUSTER_TRY(const MadeCa made, parent ? make_ca(context_, order) : make_requested_ca(context_, order));
  auto stored = db::run_in_transaction(context_.pool, scope, [&](db::Transaction& tx) -> Result<Issuer> {
    MUSTER_TRY_VOID(living_tenant(tx, tenant));
    MUSTER_TRY_VOID(require_room(tx, tenant));
    MUSTER_TRY_VOID(store_ca(context_, tx, caller, made));
    return registry::get_issuer_of(tx, tenant, made.issuer.id);
  });
  // Where the commit's outcome is not known the key stays: the row may be there.
  if (!stored.ok() && stored.error().code != ErrorCode::kOutcomeUnknown) {
    context_.signer->discard(made.issuer.id, made.key);
  }
  return stored;
}

Result<std::string> IssuerDesk::request_pem(const Caller& caller, const TenantId& tenant, const IssuerId& id) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<std::string> {
        MUSTER_TRY(const registry::Tenant row, living_tenant(tx, tenant));
        MUSTER_TRY(const Issuer issuer, registry::get_issuer_of(tx, tenant, id));
        if (issuer.status == IssuerStatus::kRetired) {
          return refuse(ErrorCode::kFailedPrecondition, registry::kIssuerStatusInvalid, "it is retired");
        }
        MUSTER_TRY(const Bytes request, request_of(context_, tx, issuer, uri_host_of(context_, row.name)));
        return x509::write_pem("CERTIFICATE REQUEST", request);
      });
}

Result<Issuer> IssuerDesk::install(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                   std::string_view chain_pem) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(
      context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<Issuer> {
        MUSTER_TRY(const registry::Tenant row, living_tenant(tx, tenant));
        MUSTER_TRY(Issuer issuer, locked(tx, tenant, id));
        if (issuer.status != IssuerStatus::kRequested) {
          return refuse(ErrorCode::kFailedPrecondition, registry::kIssuerStatusInvalid,
                        "it is not waiting for a certificate");
        }
        MUSTER_TRY(CheckedChain checked, check_issuer_chain(chain_pem, expectation(context_, issuer, row.name)));
        issuer.certificate = std::move(checked.certificate);
        issuer.chain = std::move(checked.chain);
        issuer.not_before = checked.not_before;
        issuer.not_after = checked.not_after;
        MUSTER_TRY_VOID(registry::install_issuer_certificate(tx, issuer));
        registry::AuditEvent event = issuer_event(context_, caller, issuer, "issuer.install");
        event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(issuer.not_after));
        MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
        return registry::get_issuer_of(tx, tenant, id);
      });
}

Result<Issuer> IssuerDesk::set_status(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                      IssuerStatus status, Force force) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant),
                                [&](db::Transaction& tx) -> Result<Issuer> {
                                  MUSTER_TRY(const Issuer issuer, locked(tx, tenant, id));
                                  if (issuer.status != status) MUSTER_TRY_VOID(move(tx, caller, issuer, status, force));
                                  return registry::get_issuer_of(tx, tenant, id);
                                });
}

Result<void> IssuerDesk::move(db::Transaction& tx, const Caller& caller, const Issuer& issuer, IssuerStatus status,
                              Force force) const {
  const UtcTime now = context_.clock.now();
  std::size_t certificates = 0;
  if (status == IssuerStatus::kActive && issuer.certificate.empty()) {
    return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerNoCertificate, "install its certificate first");
  }
  if (status == IssuerStatus::kActive && issuer.status == IssuerStatus::kPrepare) {
    if (now < issuer.not_before || now >= issuer.not_after) {
      return refuse(ErrorCode::kFailedPrecondition, reasons::kChainNotValidNow, "the issuer's own certificate");
    }
    MUSTER_TRY(const auto group, registry::lock_issuers(tx, issuer.tenant_id, IssuerKind::kTenantIssuing, issuer.slot));
    for (const Issuer& other : group) {
      if (other.status != IssuerStatus::kActive) continue;
      MUSTER_TRY_VOID(step(tx, caller, other, IssuerStatus::kRetiring, 0));
    }
  }
  if (status == IssuerStatus::kRetiring && issuer.status == IssuerStatus::kActive && force == Force::kNo) {
    return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerLastActive,
                  "nobody would sign in slot " + issuer.slot + "; activate another one instead, or force");
  }
  if (status == IssuerStatus::kRetired && issuer.status == IssuerStatus::kRetiring) {
    MUSTER_TRY(certificates, registry::count_certificates_of(tx, issuer.tenant_id, issuer.id, now));
    if (certificates > 0 && force == Force::kNo) {
      return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerInUse,
                    std::to_string(certificates) + " certificates of it are in use; let their devices renew, or force");
    }
  }
  return step(tx, caller, issuer, status, certificates);
}

Result<void> IssuerDesk::step(db::Transaction& tx, const Caller& caller, const Issuer& issuer, IssuerStatus status,
                              std::size_t certificates) const {
  MUSTER_TRY_VOID(registry::set_issuer_status(tx, issuer.id, status));
  registry::AuditEvent event = issuer_event(context_, caller, issuer, "issuer.set_status");
  event.detail.emplace_back(registry::AuditField::kStatus, registry::to_string(status));
  if (certificates > 0) event.detail.emplace_back(registry::AuditField::kCount, std::to_string(certificates));
  return registry::append_audit_event(tx, event);
}

Result<registry::CrossCertificate> IssuerDesk::add_cross_certificate(const Caller& caller, const TenantId& tenant,
                                                                     const IssuerId& id,
                                                                     std::string_view chain_pem) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  using Added = Result<registry::CrossCertificate>;
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Added {
    MUSTER_TRY(const registry::Tenant row, living_tenant(tx, tenant));
    MUSTER_TRY(const Issuer issuer, locked(tx, tenant, id));
    if (issuer.certificate.empty()) return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerNoCertificate);
    MUSTER_TRY(CheckedChain checked, check_issuer_chain(chain_pem, expectation(context_, issuer, row.name)));
    MUSTER_TRY(const auto own, x509::Certificate::parse_der(issuer.certificate));
    MUSTER_TRY(const auto other, x509::Certificate::parse_der(checked.certificate));
    if (!std::ranges::equal(own.subject(), other.subject()) ||
        !std::ranges::equal(own.subject_key_id(), other.subject_key_id())) {
      return refuse(ErrorCode::kInvalidArgument, reasons::kChainSubjectDiffers,
                    "subject and subject key identifier must be those of the issuer's first certificate");
    }
    MUSTER_TRY(const auto present, registry::list_cross_certificates(tx, tenant, id));
    if (present.size() >= kMaxCrossCertificates) return refuse(ErrorCode::kFailedPrecondition, reasons::kIssuerTooMany);
    registry::CrossCertificate cross{other.id(),
                                     std::move(checked.certificate),
                                     std::move(checked.chain),
                                     checked.not_before,
                                     checked.not_after,
                                     context_.clock.now()};
    MUSTER_TRY_VOID(registry::insert_cross_certificate(tx, tenant, id, cross));
    registry::AuditEvent event = issuer_event(context_, caller, issuer, "issuer.cross_certify");
    event.detail.emplace_back(registry::AuditField::kCertificateId, other.id_hex());
    MUSTER_TRY_VOID(registry::append_audit_event(tx, event));
    return cross;
  });
}

Result<void> IssuerDesk::remove_cross_certificate(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                                  const Sha256& cross) const {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const Issuer issuer, registry::get_issuer_of(tx, tenant, id));
    MUSTER_TRY_VOID(registry::delete_cross_certificate(tx, tenant, id, cross));
    return registry::append_audit_event(tx, issuer_event(context_, caller, issuer, "issuer.remove_cross_certificate"));
  });
}

}  // namespace muster::enroll
