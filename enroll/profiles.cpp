// SPDX-License-Identifier: Apache-2.0
#include "enroll/profiles.h"

#include "ca/reasons.h"
#include "enroll/active_profile.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "x509/key_kind.h"

namespace muster::enroll {

namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, ca::reasons::kProfileInvalid, std::move(detail)};
}

registry::ProfileRow to_row(const ca::Profile& profile) {
  const ca::ProfileConfig& config = profile.config();
  registry::ProfileRow row;
  row.name = config.name;
  row.validity_seconds = config.validity_seconds;
  row.backdate_seconds = config.backdate_seconds;
  for (const x509::KeyAlgorithm algorithm : config.key_algorithms) {
    row.key_algorithms.emplace_back(x509::to_string(algorithm));
  }
  row.short_lived = config.short_lived;
  row.crl_pointer = config.crl_pointer;
  row.ocsp_pointer = config.ocsp_pointer;
  return row;
}

void apply(const ProfileChange& change, registry::ProfileRow& row) {
  if (change.issuer) row.issuer_id = change.issuer->value_or(IssuerId{});
  if (change.validity_seconds) row.validity_seconds = *change.validity_seconds;
  if (change.backdate_seconds) row.backdate_seconds = *change.backdate_seconds;
  if (change.key_algorithms) row.key_algorithms = *change.key_algorithms;
  if (change.short_lived) {
    row.short_lived = *change.short_lived;
    row.crl_pointer = !row.short_lived;
    if (row.short_lived) row.ocsp_pointer = false;
  }
  if (change.crl_pointer) row.crl_pointer = *change.crl_pointer;
  if (change.ocsp_pointer) row.ocsp_pointer = *change.ocsp_pointer;
}

Result<void> check(db::Transaction& tx, const TenantId& tenant, const registry::ProfileRow& row) {
  if (!registry::is_profile_name(row.name)) return invalid("name");
  MUSTER_TRY(const ca::Profile profile, to_profile(row));
  (void)profile;
  if (row.issuer_id.is_nil()) return {};
  MUSTER_TRY(const registry::Issuer issuer, registry::get_issuer_of(tx, tenant, row.issuer_id));
  (void)issuer;
  return {};
}

registry::AuditEvent event_about(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                                 const char* action, const registry::ProfileRow& row) {
  registry::AuditEvent event = audit_event(context, caller, tenant, action);
  event.target = "profile:" + row.name;
  event.target_name = row.name;
  event.detail.emplace_back(registry::AuditField::kDetail, "validity_seconds=" + std::to_string(row.validity_seconds) +
                                                               " short_lived=" + (row.short_lived ? "yes" : "no") +
                                                               " crl_pointer=" + (row.crl_pointer ? "yes" : "no") +
                                                               " ocsp_pointer=" + (row.ocsp_pointer ? "yes" : "no"));
  if (!row.issuer_id.is_nil()) event.detail.emplace_back(registry::AuditField::kIssuerId, row.issuer_id.text());
  return event;
}

}  // namespace

Profiles::Profiles(RegistrationAuthority& authority) : context_(authority.context()) {}

registry::ProfileRow Profiles::built_in() const { return to_row(context_.device_profile); }

Result<registry::ProfileRow> Profiles::create(const Caller& caller, const TenantId& tenant, const std::string& name,
                                              const ProfileChange& values) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  registry::ProfileRow row = built_in();
  row.name = name;
  apply(values, row);
  using Row = Result<registry::ProfileRow>;
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Row {
    MUSTER_TRY_VOID(check(tx, tenant, row));
    MUSTER_TRY(auto made, registry::create_profile(tx, tenant, row));
    MUSTER_TRY_VOID(registry::append_audit_event(tx, event_about(context_, caller, tenant, "profile.create", made)));
    return made;
  });
}

Result<registry::ProfileRow> Profiles::update(const Caller& caller, const TenantId& tenant, const std::string& name,
                                              const ProfileChange& change) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  using Row = Result<registry::ProfileRow>;
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Row {
    auto present = registry::get_profile(tx, tenant, name);
    const bool override_built_in =
        !present.ok() && present.error().reason == registry::kProfileNotFound && name == kDeviceProfile;
    if (!present.ok() && !override_built_in) return std::move(present).error();
    registry::ProfileRow row = override_built_in ? built_in() : *present;
    row.name = name;
    apply(change, row);
    MUSTER_TRY_VOID(check(tx, tenant, row));
    MUSTER_TRY(auto made, override_built_in ? registry::create_profile(tx, tenant, row)
                                            : registry::update_profile(tx, tenant, row));
    MUSTER_TRY_VOID(registry::append_audit_event(tx, event_about(context_, caller, tenant, "profile.update", made)));
    return made;
  });
}

Result<void> Profiles::remove(const Caller& caller, const TenantId& tenant, const std::string& name) {
  MUSTER_TRY_VOID(require_tenant_admin(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto row, registry::get_profile(tx, tenant, name));
    MUSTER_TRY_VOID(registry::delete_profile(tx, tenant, name));
    return registry::append_audit_event(tx, event_about(context_, caller, tenant, "profile.delete", row));
  });
}

Result<registry::ProfileRow> Profiles::get(const Caller& caller, const TenantId& tenant, const std::string& name) {
  MUSTER_TRY_VOID(require_tenant_reader(caller, tenant));
  auto row = db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant),
                                    [&](db::Transaction& tx) { return registry::get_profile(tx, tenant, name); });
  if (!row.ok() && row.error().reason == registry::kProfileNotFound && name == kDeviceProfile) return built_in();
  return row;
}

Result<registry::Page<registry::ProfileRow>> Profiles::list(const Caller& caller, const TenantId& tenant,
                                                            const registry::PageRequest& page) {
  MUSTER_TRY_VOID(require_tenant_reader(caller, tenant));
  return db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant),
                                [&](db::Transaction& tx) { return registry::list_profiles(tx, tenant, page); });
}

}  // namespace muster::enroll
