// SPDX-License-Identifier: Apache-2.0
#include "registry/tenant_store.h"

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/claim_store.h"
#include "registry/cursor.h"
#include "registry/device_store.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"
#include "registry/tombstones.h"

namespace muster::registry {

namespace {

constexpr EnumNames<TenantStatus, 4> kStatusNames{{{TenantStatus::kActive, "active"},
                                                   {TenantStatus::kSuspended, "suspended"},
                                                   {TenantStatus::kDeleting, "deleting"},
                                                   {TenantStatus::kDeleted, "deleted"}}};

const std::string kSelect =
    "SELECT t.id, t.name, t.status, t.default_policy_id, p.name, t.created_at FROM muster.tenants AS t"
    " LEFT JOIN muster.policies AS p ON p.tenant_id = t.id AND p.id = t.default_policy_id ";

const db::Statement kInsert{"insert_tenant",
                            "INSERT INTO muster.tenants (name) VALUES ($1)"
                            " ON CONFLICT (name) WHERE status <> 'deleted' DO NOTHING RETURNING id, created_at"};
const db::Statement kNameHeld{
    "tenant_name_held",
    "SELECT EXISTS (SELECT FROM muster.tenants AS t WHERE t.name = $1 AND t.status = 'deleted'"
    " AND (t.gone_number IS NULL OR NOT muster.edges_have_applied(t.id, t.gone_number)"
    "  OR EXISTS (SELECT FROM muster.certificates AS c WHERE c.tenant_id = t.id AND c.status = 'active'"
    "   AND c.not_after >= now())))"};
const db::Statement kFindByName{"find_tenant", kSelect + "WHERE t.name = $1 AND t.status <> 'deleted'"};
const db::Statement kGetById{"get_tenant_by_id", kSelect + "WHERE t.id = $1::uuid"};
const db::Statement kList{"list_tenants", kSelect +
                                              "WHERE t.status <> 'deleted' AND t.name COLLATE \"C\" > $1"
                                              " ORDER BY t.name COLLATE \"C\" LIMIT $2::bigint"};
const db::Statement kSetStatus{
    "set_tenant_status", "UPDATE muster.tenants SET status = $2 WHERE id = $1::uuid AND status = ANY ($3::text[])"};
const db::Statement kSetDefaultPolicy{"set_tenant_default_policy",
                                      "UPDATE muster.tenants SET default_policy_id = $2::uuid WHERE id = $1::uuid"};
const db::Statement kLockPolicy{"lock_default_policy",
                                "SELECT FROM muster.policies WHERE tenant_id = $1::uuid AND id = $2::uuid"
                                " AND status = 'active' FOR SHARE"};
const db::Statement kSomeDevices{
    "some_devices",
    "SELECT id FROM muster.devices WHERE tenant_id = $1::uuid AND status <> 'deleted' LIMIT $2::bigint"};
const db::Statement kRetireIssuers{"retire_tenant_issuers",
                                   "UPDATE muster.issuers SET status = 'retired' WHERE tenant_id = $1::uuid"
                                   " AND status <> 'retired' RETURNING id"};
const db::Statement kRevokeTokens{"revoke_tenant_tokens",
                                  "UPDATE muster.tokens SET revoked_at = $2::timestamptz"
                                  " WHERE tenant_id = $1::uuid AND revoked_at IS NULL"};
const db::Statement kBury{"bury_tenant",
                          "UPDATE muster.tenants SET status = 'deleted', deleted_at = $2::timestamptz"
                          " WHERE id = $1::uuid AND status = 'deleting'"};

Tenant read(const db::Row& row) {
  return {row.id<TenantId>(0),        row.text(1),          stored_value(kStatusNames, row.text_view(2)),
          row.id_or_nil<PolicyId>(3), row.text_or_empty(4), row.time(5)};
}

Error not_found() { return {ErrorCode::kNotFound, kTenantNotFound, ""}; }

db::Array texts(std::initializer_list<std::string_view> values) {
  db::Array array(db::ElementType::kText);
  for (const std::string_view value : values) array.add_text(value);
  return array;
}

Result<bool> name_is_held(db::Transaction& tx, const TenantName& name) {
  MUSTER_TRY(const auto rows, db::run(tx, kNameHeld, {name.text()}));
  return rows[0].boolean(0);
}

// Moves a tenant to `status` if it is in one of `from`.
Result<void> move(db::Transaction& tx, const TenantId& id, TenantStatus status, const db::Array& from) {
  MUSTER_TRY(const auto rows, db::run(tx, kSetStatus, {id, to_string(status), from}));
  if (rows.affected() == 0) {
    MUSTER_TRY(const Tenant tenant, get_tenant_by_id(tx, id));
    if (tenant.status == TenantStatus::kDeleted) return not_found();
    return Error{ErrorCode::kFailedPrecondition, kTenantStatusInvalid,
                 "the tenant is " + std::string(to_string(tenant.status))};
  }
  announce(tx, EntityKind::kTenant, id, id.octets());
  return {};
}

// In the tenant's scope: what else must not outlive it.
Result<void> end_credentials(db::Transaction& tx, const TenantId& id, UtcTime now) {
  MUSTER_TRY_VOID(db::run(tx, kRevokeTokens, {id, now}));
  MUSTER_TRY_VOID(revoke_all_claims(tx, id, now));
  MUSTER_TRY(const auto issuers, db::run(tx, kRetireIssuers, {id}));
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    announce(tx, EntityKind::kIssuer, id, issuers[i].id<IssuerId>(0).octets());
  }
  return {};
}

}  // namespace

std::string_view to_string(TenantStatus status) { return name_of(kStatusNames, status); }

Result<Tenant> create_tenant(db::Transaction& tx, const TenantName& name) {
  MUSTER_TRY(const bool held, name_is_held(tx, name));
  if (held) return Error{ErrorCode::kConflict, kTenantNameHeld, ""};
  MUSTER_TRY(const auto rows, db::run(tx, kInsert, {name.text()}));
  if (rows.empty()) return Error{ErrorCode::kAlreadyExists, kTenantExists, ""};
  // The name's former holder may have been deleted while we waited for it: then look again from the start.
  MUSTER_TRY(const bool held_now, name_is_held(tx, name));
  if (held_now) return Error{ErrorCode::kUnavailable, db::kDatabaseContention, "a tombstone appeared"};
  Tenant tenant{rows[0].id<TenantId>(0), name.text(), TenantStatus::kActive, {}, {}, rows[0].time(1)};
  announce(tx, EntityKind::kTenant, tenant.id, tenant.id.octets());
  return tenant;
}

db::Later<std::optional<Tenant>> ask_tenant(db::Transaction& tx, const TenantName& name) {
  using Found = std::optional<Tenant>;
  return db::Later<Found>{[asked = db::ask(tx, kFindByName, {name.text()})]() -> Result<Found> {
    MUSTER_TRY(const auto rows, asked.rows());
    return rows.empty() ? Found{} : Found{read(rows[0])};
  }};
}

Result<std::optional<Tenant>> find_tenant(db::Transaction& tx, const TenantName& name) {
  return ask_tenant(tx, name).get();
}

Result<Tenant> get_tenant(db::Transaction& tx, const TenantName& name) {
  MUSTER_TRY(auto tenant, find_tenant(tx, name));
  if (!tenant) return not_found();
  return std::move(*tenant);
}

db::Later<Tenant> ask_tenant_by_id(db::Transaction& tx, const TenantId& id) {
  return db::Later<Tenant>{[asked = db::ask(tx, kGetById, {id})]() -> Result<Tenant> {
    MUSTER_TRY(const auto rows, asked.rows());
    if (rows.empty()) return not_found();
    return read(rows[0]);
  }};
}

Result<Tenant> get_tenant_by_id(db::Transaction& tx, const TenantId& id) { return ask_tenant_by_id(tx, id).get(); }

Result<Page<Tenant>> list_tenants(db::Transaction& tx, const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {after, limit + 1}));
  std::vector<Tenant> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const Tenant& tenant) { return tenant.name; });
}

Result<void> set_tenant_status(db::Transaction& tx, const TenantId& id, TenantStatus status) {
  if (status != TenantStatus::kActive && status != TenantStatus::kSuspended) {
    return Error{ErrorCode::kFailedPrecondition, kTenantStatusInvalid, "deleting a tenant is another request"};
  }
  return move(tx, id, status, texts({"active", "suspended"}));
}

Result<void> set_tenant_default_policy(db::Transaction& tx, const TenantId& id, const PolicyId& policy) {
  if (!policy.is_nil()) {
    MUSTER_TRY(const auto found, db::run(tx, kLockPolicy, {id, policy}));
    if (found.empty()) return Error{ErrorCode::kNotFound, kPolicyNotFound, ""};
  }
  MUSTER_TRY(const auto updated, db::run(tx, kSetDefaultPolicy, {id, db::Param::nullable(policy)}));
  if (updated.affected() == 0) return not_found();
  announce(tx, EntityKind::kTenant, id, id.octets());
  return {};
}

Result<void> begin_tenant_deletion(db::Transaction& tx, const TenantId& id) {
  return move(tx, id, TenantStatus::kDeleting, texts({"active", "suspended", "deleting"}));
}

Result<bool> finish_tenant_deletion(db::Transaction& tx, const TenantId& id, std::size_t limit, UtcTime now) {
  MUSTER_TRY(const Tenant tenant, get_tenant_by_id(tx, id));
  if (tenant.status == TenantStatus::kDeleted) return true;
  if (tenant.status != TenantStatus::kDeleting) return Error{ErrorCode::kFailedPrecondition, kTenantStatusInvalid, ""};
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(id)));
  MUSTER_TRY_VOID(end_credentials(tx, id, now));
  MUSTER_TRY(const auto devices, db::run(tx, kSomeDevices, {id, limit}));
  for (std::size_t i = 0; i < devices.size(); ++i) {
    MUSTER_TRY_VOID(delete_device(tx, id, devices[i].id<DeviceId>(0), now));
  }
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  if (devices.size() == limit) return false;
  MUSTER_TRY_VOID(db::run(tx, kBury, {id, now}));
  announce(tx, EntityKind::kTenant, id, id.octets());
  note_tenant_tombstone(tx, id);
  return true;
}

}  // namespace muster::registry
