// SPDX-License-Identifier: Apache-2.0
#include "enroll/ca_creation.h"

#include "ca/certificate_linter.h"
#include "ca/profile.h"
#include "db/transaction.h"
#include "enroll/reasons.h"
#include "registry/deployment_store.h"
#include "registry/reasons.h"
#include "registry/tenant_store.h"
#include "x509/certificate.h"

namespace muster::enroll {

namespace {

// What to make. `parent` nullptr: self-signed.
struct CaOrder {
  registry::IssuerKind registry_kind;
  ca::CertificateKind kind;
  x509::KeyAlgorithm algorithm = x509::KeyAlgorithm::kP256;
  TenantId tenant;
  std::string permitted_uri_host;
  const registry::Issuer* parent = nullptr;
};

struct MadeCa {
  registry::Issuer issuer;
  registry::WrappedKey key;
};

// Names of CAs are unique by their id: a path is found by key, but people and OpenSSL compare names.
std::string common_name(ca::CertificateKind kind, const IssuerId& id) {
  switch (kind) {
    case ca::CertificateKind::kDeviceRoot: return "Muster device root " + id.text();
    case ca::CertificateKind::kInfrastructureRoot: return "Muster TLS root " + id.text();
    case ca::CertificateKind::kPlatformIntermediate: return "Muster platform CA " + id.text();
    case ca::CertificateKind::kIssuingCa: return "Muster issuing CA " + id.text();
    case ca::CertificateKind::kPlantCa: return "Muster plant CA " + id.text();
    case ca::CertificateKind::kDevice:
    case ca::CertificateKind::kServer:
    case ca::CertificateKind::kBroker:
    case ca::CertificateKind::kEdge: break;
  }
  return id.text();
}

Result<ca::IssuerIdentity> signing_identity(const AuthorityContext& context, const CaOrder& order, const IssuerId& id,
                                            const ca::CertificateSubject& subject, UtcTime now) {
  if (order.parent != nullptr) {
    MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(order.parent->certificate));
    return ca::issuer_identity(certificate, order.parent->id, context.config.plain_url);
  }
  const ca::Profile profile = ca::Profile::standard(order.kind);
  ca::IssuerIdentity self;
  self.id = id;
  self.name = ca::subject_name(subject.common_name);
  self.subject_key_id = ca::subject_key_id(subject.spki);
  self.not_before = now - profile.backdate();
  self.not_after = now + profile.validity() - std::chrono::seconds{1};
  self.algorithm = order.algorithm;
  return self;  // no distribution point: who distrusts a root removes it
}

Result<Bytes> sign_linted(const AuthorityContext& context, const ca::CertificateOrder& order,
                          const TenantId& signing_tenant) {
  MUSTER_TRY(const Bytes tbs, ca::build_tbs_certificate(order));
  const auto findings = ca::lint_certificate(tbs, order);
  if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
  MUSTER_TRY(const Bytes signature, context.signer->sign_certificate({signing_tenant, order.issuer.id, tbs}));
  MUSTER_TRY(Bytes certificate, ca::assemble_signed(tbs, signature));
  MUSTER_TRY_VOID(ca::check_signed(certificate, tbs));
  return certificate;
}

Result<MadeCa> make_ca(const AuthorityContext& context, const CaOrder& order) {
  const UtcTime now = context.clock.now();
  const IssuerId id = IssuerId::random();
  ca::CertificateSubject subject;
  subject.common_name = common_name(order.kind, id);
  subject.key_algorithm = order.algorithm;
  subject.permitted_uri_host = order.permitted_uri_host;
  const ca::KeyOwner owner{order.tenant, id, ca::subject_name(subject.common_name)};
  MUSTER_TRY(const ca::GeneratedKey key, context.signer->generate(owner, order.algorithm));
  subject.spki = key.spki;
  MUSTER_TRY(const auto identity, signing_identity(context, order, id, subject, now));
  const ca::Profile profile = ca::Profile::standard(order.kind);
  const Bytes serial = ca::random_serial();
  const TenantId signing_tenant = order.parent == nullptr ? order.tenant : order.parent->tenant_id;
  MUSTER_TRY(Bytes der, sign_linted(context, {profile, identity, subject, serial, now}, signing_tenant));
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(der));

  MadeCa made;
  made.issuer.id = id;
  made.issuer.tenant_id = order.tenant;
  made.issuer.kind = order.registry_kind;
  made.issuer.status = registry::IssuerStatus::kActive;
  made.issuer.spki_sha256 = key.spki_sha256;
  made.issuer.certificate = std::move(der);
  made.issuer.not_before = certificate.not_before();
  made.issuer.not_after = certificate.not_after();
  if (order.parent != nullptr) {
    made.issuer.parent_id = order.parent->id;
    made.issuer.chain.push_back(order.parent->certificate);
    for (const Bytes& above : order.parent->chain) made.issuer.chain.push_back(above);
  }
  made.key = {key.id, order.tenant, id, key.spki_sha256, context.signer->kek_id(), key.wrapped};
  return made;
}

db::Scope scope_of(const TenantId& tenant) {
  return tenant.is_nil() ? db::Scope::system() : db::Scope::of_tenant(tenant);
}

// Absent: there is none.
Result<std::optional<registry::Issuer>> find_active(AuthorityContext& context, const TenantId& tenant,
                                                    registry::IssuerKind kind) {
  using Found = Result<std::optional<registry::Issuer>>;
  return db::run_in_transaction(context.pool, scope_of(tenant), [&](db::Transaction& tx) -> Found {
    auto issuer = registry::get_active_issuer(tx, tenant, kind);
    if (issuer.ok()) return std::optional<registry::Issuer>{std::move(issuer).value()};
    if (issuer.error().reason == registry::kIssuerNotFound) return std::optional<registry::Issuer>{};
    return std::move(issuer).error();
  });
}

Result<void> store_ca(const AuthorityContext& context, db::Transaction& tx, const Caller& caller, const MadeCa& made) {
  MUSTER_TRY_VOID(registry::insert_issuer(tx, made.issuer));
  MUSTER_TRY_VOID(registry::insert_wrapped_key(tx, made.key));
  registry::AuditEvent event = audit_event(context, caller, made.issuer.tenant_id, "issuer.create");
  event.target = "issuer:" + made.issuer.id.text();
  event.detail.emplace_back(registry::AuditField::kName, registry::to_string(made.issuer.kind));
  event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(made.issuer.not_after));
  return registry::append_audit_event(tx, event);
}

CaOrder issuing_order(const AuthorityContext& context, const registry::Tenant& tenant, const registry::Issuer& parent) {
  return {registry::IssuerKind::kTenantIssuing,
          ca::CertificateKind::kIssuingCa,
          x509::KeyAlgorithm::kP256,
          tenant.id,
          tenant.name + "." + context.trust_domain.text(),
          &parent};
}

Result<registry::Issuer> ensure_ca(AuthorityContext& context, const Caller& caller, const CaOrder& order) {
  MUSTER_TRY(auto existing, find_active(context, order.tenant, order.registry_kind));
  if (existing) return std::move(*existing);
  MUSTER_TRY(MadeCa made, make_ca(context, order));
  const auto stored = db::run_in_transaction(context.pool, scope_of(order.tenant),
                                             [&](db::Transaction& tx) { return store_ca(context, tx, caller, made); });
  if (stored.ok()) return std::move(made.issuer);
  context.signer->unload(made.issuer.id);
  if (stored.error().reason != registry::kIssuerActiveExists) return stored.error();
  MUSTER_TRY(existing, find_active(context, order.tenant, order.registry_kind));  // another process was first
  if (!existing) return stored.error();
  return std::move(*existing);
}

Result<std::shared_ptr<const LoadedIssuer>> load_issuer(AuthorityContext& context, const registry::Issuer& issuer) {
  return db::run_in_transaction(context.pool, scope_of(issuer.tenant_id),
                                [&](db::Transaction& tx) { return context.issuers->load(tx, issuer); });
}

}  // namespace

Result<void> ensure_platform_issuers(AuthorityContext& context) {
  Caller caller;
  caller.role = CallerRole::kLocal;
  CaOrder root{registry::IssuerKind::kDeviceRoot,
               ca::CertificateKind::kDeviceRoot,
               x509::KeyAlgorithm::kP384,
               TenantId{},
               {},
               nullptr};
  MUSTER_TRY(const registry::Issuer device_root, ensure_ca(context, caller, root));
  root.registry_kind = registry::IssuerKind::kInfrastructureRoot;
  root.kind = ca::CertificateKind::kInfrastructureRoot;
  root.algorithm = x509::KeyAlgorithm::kP256;  // it signs end entities itself: devices verify it in each handshake
  MUSTER_TRY(const registry::Issuer infrastructure_root, ensure_ca(context, caller, root));
  MUSTER_TRY(context.device_root, load_issuer(context, device_root));
  MUSTER_TRY(context.infrastructure_root, load_issuer(context, infrastructure_root));
  const CaOrder intermediate{registry::IssuerKind::kDeviceIntermediate,
                             ca::CertificateKind::kPlatformIntermediate,
                             x509::KeyAlgorithm::kP256,
                             TenantId{},
                             {},
                             &device_root};
  MUSTER_TRY(const registry::Issuer device_intermediate, ensure_ca(context, caller, intermediate));
  MUSTER_TRY(context.device_intermediate, load_issuer(context, device_intermediate));
  return {};
}

Result<std::shared_ptr<const LoadedIssuer>> ensure_issuing_ca(AuthorityContext& context, const Caller& caller,
                                                              const TenantId& tenant) {
  MUSTER_TRY(const registry::Tenant row,
             db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant),
                                    [&](db::Transaction& tx) { return registry::get_tenant_by_id(tx, tenant); }));
  if (row.status != registry::TenantStatus::kActive && row.status != registry::TenantStatus::kSuspended) {
    return Error{ErrorCode::kFailedPrecondition, reasons::kTenantInactive, {}};
  }
  MUSTER_TRY(const auto parent, find_active(context, TenantId{}, registry::IssuerKind::kDeviceIntermediate));
  if (!parent) return Error{ErrorCode::kUnavailable, reasons::kNotInitialised, {}};
  MUSTER_TRY(const registry::Issuer issuer, ensure_ca(context, caller, issuing_order(context, row, *parent)));
  return load_issuer(context, issuer);
}

Result<void> make_issuing_ca(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                             const registry::Tenant& tenant) {
  MUSTER_TRY(const registry::Issuer parent,
             registry::get_active_issuer(tx, TenantId{}, registry::IssuerKind::kDeviceIntermediate));
  MUSTER_TRY(const MadeCa made, make_ca(context, issuing_order(context, tenant, parent)));
  // The first enrolment loads the key from the registry, where it stands only if this transaction commits.
  context.signer->unload(made.issuer.id);
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant.id)));
  MUSTER_TRY_VOID(store_ca(context, tx, caller, made));
  return tx.enter(db::Scope::system());
}

}  // namespace muster::enroll
