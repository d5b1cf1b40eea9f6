// SPDX-License-Identifier: Apache-2.0
#include "registry/grant_store.h"

#include <algorithm>

#include "core/topic_decision.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kSelect =
    "SELECT g.id, g.device_id, d.name, g.on_device_id, o.name, g.actions, g.filters, g.max_qos, g.max_payload,"
    " g.created_by, g.created_at, o.status = 'active' FROM muster.device_grants AS g"
    " JOIN muster.devices AS d ON d.tenant_id = g.tenant_id AND d.id = g.device_id"
    " JOIN muster.devices AS o ON o.tenant_id = g.tenant_id AND o.id = g.on_device_id ";
// Both rows stay as they are until this transaction ends, so no grant outlives its device; whoever adds grants to the
// same device waits, so that they are counted.
const db::Statement kLockDevices{
    "lock_devices_of_grant",
    "SELECT id FROM muster.devices WHERE tenant_id = $1::uuid AND id IN ($2::uuid, $3::uuid)"
    " AND status <> 'deleted' ORDER BY id FOR NO KEY UPDATE"};
const db::Statement kCount{
    "count_grants", "SELECT count(*) FROM muster.device_grants WHERE tenant_id = $1::uuid AND device_id = $2::uuid"};
const db::Statement kInsert{
    "insert_grant",
    "INSERT INTO muster.device_grants (tenant_id, device_id, on_device_id, actions, filters, max_qos, max_payload,"
    " created_by) VALUES ($1::uuid, $2::uuid, $3::uuid, $4::text[], $5::text[], $6::integer, $7::integer, $8)"
    " RETURNING id"};
const db::Statement kGet{"get_grant",
                         kSelect + "WHERE g.tenant_id = $1::uuid AND g.device_id = $2::uuid AND g.id = $3::uuid"};
const db::Statement kListOf{"list_grants_of", kSelect +
                                                  "WHERE g.tenant_id = $1::uuid AND g.device_id = $2::uuid"
                                                  " ORDER BY g.created_at, g.id"};
const db::Statement kListOn{"list_grants_on", kSelect +
                                                  "WHERE g.tenant_id = $1::uuid AND g.on_device_id = $2::uuid"
                                                  " ORDER BY g.created_at, g.id"};
const db::Statement kDelete{"delete_grant",
                            "DELETE FROM muster.device_grants WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kDeleteWith{"delete_grants_with",
                                "DELETE FROM muster.device_grants WHERE tenant_id = $1::uuid"
                                " AND (device_id = $2::uuid OR on_device_id = $2::uuid) RETURNING device_id"};
const db::Statement kGrantees{"grantees",
                              "SELECT DISTINCT device_id FROM muster.device_grants"
                              " WHERE tenant_id = $1::uuid AND on_device_id = $2::uuid"};

Error refuse(std::string_view reason, std::string detail) {
  return {ErrorCode::kInvalidArgument, reason, std::move(detail)};
}

Result<void> check(const NewGrant& grant) {
  if (grant.filters.empty() || grant.filters.size() > kMaxGrantFilters) {
    return refuse(kGrantFilterInvalid, "1 to " + std::to_string(kMaxGrantFilters) + " filters");
  }
  for (const std::string& filter : grant.filters) {
    if (!is_valid_grant_filter(filter)) return refuse(kGrantFilterInvalid, filter);
  }
  const PolicyActions actions = grant.actions;
  const bool sends = actions.has(PolicyAction::kPublish) || actions.has(PolicyAction::kWill);
  if (actions.empty() || actions.has(PolicyAction::kReceive)) {
    return refuse(kGrantActionInvalid, "publish, subscribe (which is receiving too), retain, will");
  }
  if (actions.has(PolicyAction::kRetain) && !sends) {
    return refuse(kGrantActionInvalid, "retain goes with publish or will");
  }
  if (grant.max_qos > kAnyQos || grant.max_payload > kAnyPayload) return refuse(kGrantLimitInvalid, "");
  if (grant.device == grant.on) return refuse(kGrantSameDevice, "its own topics are its policy's");
  return {};
}

db::Array texts_of(PolicyActions actions) {
  db::Array texts(db::ElementType::kText);
  for (const PolicyAction action : kPolicyActions) {
    if (actions.has(action)) texts.add_text(to_string(action));
  }
  return texts;
}

Grant read(const db::Row& row) {
  Grant grant;
  grant.id = row.id<GrantId>(0);
  grant.device = row.id<DeviceId>(1);
  grant.device_name = row.text(2);
  grant.on = row.id<DeviceId>(3);
  grant.on_name = row.text(4);
  grant.actions = actions_of(row.texts(5));
  grant.filters = row.texts(6);
  grant.max_qos = static_cast<std::uint8_t>(row.number(7));
  grant.max_payload = static_cast<std::uint32_t>(row.number(8));
  grant.created_by = row.text(9);
  grant.created_at = row.time(10);
  grant.on_active = row.boolean(11);
  return grant;
}

Result<std::vector<Grant>> list(db::Transaction& tx, const db::Statement& statement, const TenantId& tenant,
                                const DeviceId& device) {
  MUSTER_TRY(const auto rows, db::run(tx, statement, {tenant, device}));
  std::vector<Grant> grants;
  for (std::size_t i = 0; i < rows.size(); ++i) grants.push_back(read(rows[i]));
  return grants;
}

void announce_devices(db::Transaction& tx, const TenantId& tenant, const db::Rows& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    announce(tx, EntityKind::kDevice, tenant, rows[i].id<DeviceId>(0).octets());
  }
}

}  // namespace

PolicyActions actions_of(std::span<const std::string> names) {
  PolicyActions actions;
  for (const std::string& name : names) {
    if (const auto action = parse_policy_action(name)) actions.add(*action);
  }
  return actions;
}

Result<Grant> create_grant(db::Transaction& tx, const TenantId& tenant, const NewGrant& grant) {
  MUSTER_TRY_VOID(check(grant));
  MUSTER_TRY(const auto devices, db::run(tx, kLockDevices, {tenant, grant.device, grant.on}));
  if (devices.size() != 2) return Error{ErrorCode::kNotFound, kDeviceNotFound, ""};
  MUSTER_TRY(const auto count, db::run(tx, kCount, {tenant, grant.device}));
  if (count[0].number(0) >= static_cast<std::int64_t>(kMaxGrantsOfDevice)) {
    return Error{ErrorCode::kFailedPrecondition, kGrantLimitReached, std::to_string(kMaxGrantsOfDevice)};
  }
  const db::Array actions = texts_of(grant.actions);
  db::Array filters(db::ElementType::kText);
  for (const std::string& filter : grant.filters) filters.add_text(filter);
  MUSTER_TRY(const auto made,
             db::run(tx, kInsert,
                     {tenant, grant.device, grant.on, actions, filters, static_cast<std::int64_t>(grant.max_qos),
                      static_cast<std::int64_t>(grant.max_payload), grant.created_by}));
  announce(tx, EntityKind::kDevice, tenant, grant.device.octets());
  return get_grant(tx, tenant, grant.device, made[0].id<GrantId>(0));
}

Result<Grant> get_grant(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const GrantId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, device, id}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kGrantNotFound, ""};
  return read(rows[0]);
}

Result<std::vector<Grant>> list_grants_of(db::Transaction& tx, const TenantId& tenant, const DeviceId& device) {
  return list(tx, kListOf, tenant, device);
}

Result<std::vector<Grant>> list_grants_on(db::Transaction& tx, const TenantId& tenant, const DeviceId& device) {
  return list(tx, kListOn, tenant, device);
}

Result<Grant> delete_grant(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const GrantId& id) {
  MUSTER_TRY(auto grant, get_grant(tx, tenant, device, id));
  MUSTER_TRY(const auto deleted, db::run(tx, kDelete, {tenant, id}));
  if (deleted.affected() == 0) return Error{ErrorCode::kNotFound, kGrantNotFound, ""};
  announce(tx, EntityKind::kDevice, tenant, device.octets());
  return grant;
}

Result<void> delete_grants_with(db::Transaction& tx, const TenantId& tenant, const DeviceId& device) {
  MUSTER_TRY(const auto deleted, db::run(tx, kDeleteWith, {tenant, device}));
  announce_devices(tx, tenant, deleted);
  return {};
}

Result<void> announce_grantees(db::Transaction& tx, const TenantId& tenant, const DeviceId& device) {
  MUSTER_TRY(const auto grantees, db::run(tx, kGrantees, {tenant, device}));
  announce_devices(tx, tenant, grantees);
  return {};
}

}  // namespace muster::registry
