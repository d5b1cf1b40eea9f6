// SPDX-License-Identifier: Apache-2.0
#include "enroll/ca_creation.h"

#include "ca/signer.h"
#include "db/transaction.h"
#include "enroll/ca_maker.h"
#include "enroll/reasons.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "registry/tenant_store.h"

namespace muster::enroll {

namespace {

using registry::IssuerKind;

// Absent: there is none.
Result<std::optional<registry::Issuer>> find_active(AuthorityContext& context, const TenantId& tenant,
                                                    IssuerKind kind) {
  using Found = Result<std::optional<registry::Issuer>>;
  return db::run_in_transaction(context.pool, scope_of(tenant), [&](db::Transaction& tx) -> Found {
    auto issuer = registry::get_active_issuer(tx, tenant, kind);
    if (issuer.ok()) return std::optional<registry::Issuer>{std::move(issuer).value()};
    if (issuer.error().reason == registry::kIssuerNotFound) return std::optional<registry::Issuer>{};
    return std::move(issuer).error();
  });
}

Result<registry::Issuer> ensure_ca(AuthorityContext& context, const Caller& caller, const CaOrder& order) {
  MUSTER_TRY(auto existing, find_active(context, order.tenant, order.registry_kind));
  if (existing) return std::move(*existing);
  MUSTER_TRY(MadeCa made, make_ca(context, order));
  const auto stored = db::run_in_transaction(context.pool, scope_of(order.tenant),
                                             [&](db::Transaction& tx) { return store_ca(context, tx, caller, made); });
  if (stored.ok()) return std::move(made.issuer);
  context.signer->discard(made.issuer.id, made.key);
  if (stored.error().reason != registry::kIssuerActiveExists) return stored.error();
  MUSTER_TRY(existing, find_active(context, order.tenant, order.registry_kind));  // another process was first
  if (!existing) return stored.error();
  return std::move(*existing);
}

Result<std::shared_ptr<const LoadedIssuer>> load_issuer(AuthorityContext& context, const registry::Issuer& issuer) {
  return db::run_in_transaction(context.pool, scope_of(issuer.tenant_id),
                                [&](db::Transaction& tx) { return context.issuers->load(tx, issuer); });
}

CaOrder platform_order(IssuerKind registry_kind, ca::CertificateKind kind, x509::KeyKind key_kind,
                       const registry::Issuer* parent) {
  CaOrder order;
  order.registry_kind = registry_kind;
  order.kind = kind;
  order.key_kind = key_kind;
  order.parent = parent;
  return order;
}

}  // namespace

CaOrder infrastructure_root_order() {
  // It signs end entities itself: devices verify it in each handshake.
  return platform_order(IssuerKind::kInfrastructureRoot, ca::CertificateKind::kInfrastructureRoot, x509::KeyKind::kP256,
                        nullptr);
}

CaOrder intermediate_order(const registry::Issuer* root) {
  return platform_order(IssuerKind::kDeviceIntermediate, ca::CertificateKind::kPlatformIntermediate,
                        x509::KeyKind::kP256, root);
}

Result<bool> has_offline_root(AuthorityContext& context) {
  MUSTER_TRY(const auto issuers, db::run_in_transaction(context.pool, db::Scope::system(), [](db::Transaction& tx) {
               return registry::list_issuers(tx, TenantId{});
             }));
  for (const registry::Issuer& issuer : issuers) {
    const bool in_use = issuer.status != registry::IssuerStatus::kRetired;
    const bool intermediate = issuer.kind == IssuerKind::kDeviceIntermediate;
    if (in_use && intermediate && issuer.origin == registry::IssuerOrigin::kSubordinate) return true;
  }
  return false;
}

Result<void> ensure_platform_issuers(AuthorityContext& context) {
  Caller caller;
  caller.role = CallerRole::kLocal;
  MUSTER_TRY(const registry::Issuer infrastructure_root, ensure_ca(context, caller, infrastructure_root_order()));
  MUSTER_TRY(context.infrastructure_root, load_issuer(context, infrastructure_root));
  MUSTER_TRY(const bool offline, has_offline_root(context));
  if (offline) return {};
  const CaOrder root =
      platform_order(IssuerKind::kDeviceRoot, ca::CertificateKind::kDeviceRoot, x509::KeyKind::kP384, nullptr);
  MUSTER_TRY(const registry::Issuer device_root, ensure_ca(context, caller, root));
  MUSTER_TRY_VOID(load_issuer(context, device_root));
  MUSTER_TRY_VOID(ensure_ca(context, caller, intermediate_order(&device_root)));
  return {};
}

Result<registry::Issuer> active_intermediate(AuthorityContext& context, db::Transaction& tx) {
  auto issuer = registry::get_active_issuer(tx, TenantId{}, IssuerKind::kDeviceIntermediate);
  if (!issuer.ok() && issuer.error().reason == registry::kIssuerNotFound) {
    return Error{ErrorCode::kFailedPrecondition, reasons::kIntermediateMissing,
                 "the platform CA waits for its certificate: sign its request, then `muster ca install FILE`"};
  }
  if (!issuer.ok()) return std::move(issuer).error();
  MUSTER_TRY_VOID(context.issuers->load(tx, *issuer));
  return issuer;
}

Result<std::shared_ptr<const LoadedIssuer>> ensure_issuing_ca(AuthorityContext& context, const Caller& caller,
                                                              const TenantId& tenant) {
  MUSTER_TRY(const registry::Tenant row,
             db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant),
                                    [&](db::Transaction& tx) { return registry::get_tenant_by_id(tx, tenant); }));
  if (row.status != registry::TenantStatus::kActive && row.status != registry::TenantStatus::kSuspended) {
    return Error{ErrorCode::kFailedPrecondition, reasons::kTenantInactive, {}};
  }
  MUSTER_TRY(auto existing, find_active(context, tenant, IssuerKind::kTenantIssuing));
  if (existing) return load_issuer(context, *existing);
  MUSTER_TRY(const registry::Issuer parent,
             db::run_in_transaction(context.pool, db::Scope::system(),
                                    [&](db::Transaction& tx) { return active_intermediate(context, tx); }));
  MUSTER_TRY(const registry::Issuer issuer, ensure_ca(context, caller, issuing_order(context, row, &parent)));
  return load_issuer(context, issuer);
}

Result<void> make_issuing_ca(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                             const registry::Tenant& tenant) {
  MUSTER_TRY(const registry::Issuer parent, active_intermediate(context, tx));
  MUSTER_TRY(const MadeCa made, make_ca(context, issuing_order(context, tenant, &parent)));
  // The first enrolment loads the key from the registry, where it stands only if this transaction commits.
  context.signer->unload(made.issuer.id);
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant.id)));
  MUSTER_TRY_VOID(store_ca(context, tx, caller, made));
  return tx.enter(db::Scope::system());
}

}  // namespace muster::enroll
