// SPDX-License-Identifier: Apache-2.0
#include "registry/device_store.h"

#include <unordered_map>

#include "db/statement.h"
#include "registry/certificate_store.h"
#include "registry/change_store.h"
#include "registry/cursor.h"
#include "registry/device_rows.h"
#include "registry/grant_store.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"
#include "registry/tombstones.h"

namespace muster::registry {

namespace {

constexpr EnumNames<DeviceStatus, 3> kStatusNames{
    {{DeviceStatus::kActive, "active"}, {DeviceStatus::kSuspended, "suspended"}, {DeviceStatus::kRetired, "retired"}}};

const db::Statement kFindByName{
    "find_device", select_devices() + "WHERE d.tenant_id = $1::uuid AND d.name = $2 AND d.status <> 'deleted'"};
const db::Statement kFindById{
    "get_device_by_id",
    select_devices() + "WHERE d.tenant_id = $1::uuid AND d.id = $2::uuid AND d.status <> 'deleted'"};
// OFFSET 0 makes it one index look-up a name: the planner, asked for a join, may read all devices of the tenant. It
// does not see how long a selected array is; of one that it sees, it would make a new plan for each length, which takes
// longer than the look-ups.
const db::Statement kFindMany{
    "find_devices",
    select_devices("unnest((SELECT $2::text[])) AS u (name) CROSS JOIN LATERAL (SELECT v.* FROM muster.devices AS v"
                   " WHERE v.tenant_id = $1::uuid AND v.name = u.name AND v.status <> 'deleted' OFFSET 0) AS d")};
const db::Statement kList{"list_devices",
                          select_devices() +
                              "WHERE d.tenant_id = $1::uuid AND d.status <> 'deleted' AND d.name COLLATE \"C\" > $2"
                              " AND ($3::text IS NULL OR d.status = $3) AND ($4::text IS NULL OR d.groups @> ARRAY[$4])"
                              " AND ($5::text IS NULL OR d.labels @> jsonb_build_object($5, $6::text))"
                              " ORDER BY d.name COLLATE \"C\" LIMIT $7::bigint"};
// An absent value leaves the column. The policy has a flag beside it: NULL is a value there.
const db::Statement kUpdate{
    "update_device",
    "UPDATE muster.devices SET status = coalesce($3, status), labels = coalesce($4::jsonb, labels),"
    " groups = coalesce($5::text[], groups), policy_id = CASE WHEN $6::boolean THEN $7::uuid ELSE policy_id END"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid AND status <> 'deleted'"
    // Retiring has no way back.
    " AND (status <> 'retired' OR $3::text IS NULL OR $3 = 'retired')"};
const db::Statement kLockPolicy{"lock_device_policy",
                                "SELECT FROM muster.policies WHERE tenant_id = $1::uuid AND id = $2::uuid"
                                " AND status = 'active' FOR SHARE"};
const db::Statement kBury{"bury_device",
                          "UPDATE muster.devices SET status = 'deleted', deleted_at = $3::timestamptz"
                          " WHERE tenant_id = $1::uuid AND id = $2::uuid AND status <> 'deleted'"};

Error not_found() { return {ErrorCode::kNotFound, kDeviceNotFound, ""}; }

Result<std::optional<Device>> first(Result<db::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return std::optional<Device>{};
  return std::optional<Device>{read_device((*rows)[0])};
}

Result<void> lock_policy(db::Transaction& tx, const TenantId& tenant, const PolicyId& policy) {
  if (policy.is_nil()) return {};
  MUSTER_TRY(const auto rows, db::run(tx, kLockPolicy, {tenant, policy}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kPolicyNotFound, ""};
  return {};
}

std::vector<std::optional<Device>> in_order_of(std::span<const DeviceName> names, const db::Rows& rows) {
  std::unordered_map<std::string_view, std::size_t> row_of;
  for (std::size_t i = 0; i < rows.size(); ++i) row_of.emplace(rows[i].text_view(2), i);
  std::vector<std::optional<Device>> devices;
  devices.reserve(names.size());
  for (const DeviceName& name : names) {
    const auto found = row_of.find(name.text());
    devices.push_back(found == row_of.end() ? std::nullopt : std::optional(read_device(rows[found->second])));
  }
  return devices;
}

}  // namespace

std::string_view to_string(DeviceStatus status) { return name_of(kStatusNames, status); }
std::optional<DeviceStatus> parse_device_status(std::string_view text) { return value_of(kStatusNames, text); }

Device read_device(const db::Row& row) {
  return {row.id<DeviceId>(0),
          row.id<TenantId>(1),
          row.text(2),
          stored_value(kStatusNames, row.text_view(3)),
          to_pairs(row.texts(4)),
          row.texts(5),
          row.id_or_nil<PolicyId>(6),
          row.text_or_empty(7),
          row.time(8),
          row.text(9)};
}

Result<std::optional<Device>> find_device(db::Transaction& tx, const TenantId& tenant, const DeviceName& name) {
  return first(db::run(tx, kFindByName, {tenant, name.text()}));
}

Result<Device> get_device(db::Transaction& tx, const TenantId& tenant, const DeviceName& name) {
  MUSTER_TRY(auto device, find_device(tx, tenant, name));
  if (!device) return not_found();
  return std::move(*device);
}

Result<Device> get_device_by_id(db::Transaction& tx, const TenantId& tenant, const DeviceId& id) {
  MUSTER_TRY(auto device, first(db::run(tx, kFindById, {tenant, id})));
  if (!device) return not_found();
  return std::move(*device);
}

db::Later<std::vector<std::optional<Device>>> ask_devices(db::Transaction& tx, const TenantId& tenant,
                                                          std::span<const DeviceName> names) {
  db::Array wanted(db::ElementType::kText);
  for (const DeviceName& name : names) wanted.add_text(name.text());
  using Devices = std::vector<std::optional<Device>>;
  return db::Later<Devices>{[asked = db::ask(tx, kFindMany, {tenant, wanted}),
                             names = std::vector<DeviceName>(names.begin(), names.end())]() -> Result<Devices> {
    MUSTER_TRY(const auto rows, asked.rows());
    return in_order_of(names, rows);
  }};
}

Result<Page<Device>> list_devices(db::Transaction& tx, const TenantId& tenant, const DeviceFilter& filter,
                                  const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  const auto status = filter.status ? std::optional(to_string(*filter.status)) : std::nullopt;
  const auto label_name = filter.label ? std::optional(filter.label->first) : std::nullopt;
  const auto label_value = filter.label ? std::optional(filter.label->second) : std::nullopt;
  MUSTER_TRY(const auto rows,
             db::run(tx, kList, {tenant, after, status, filter.group, label_name, label_value, limit + 1}));
  std::vector<Device> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read_device(rows[i]));
  return finish_page(std::move(items), limit, [](const Device& device) { return device.name; });
}

Result<Device> update_device(db::Transaction& tx, const TenantId& tenant, const DeviceId& id,
                             const DeviceUpdate& update) {
  std::optional<std::string> labels;
  if (update.labels) {
    MUSTER_TRY(const Labels sorted, normalise_labels(*update.labels));
    labels = to_json_object(sorted);
  }
  db::Array groups(db::ElementType::kText);
  if (update.groups) {
    MUSTER_TRY(const auto sorted, normalise_groups(*update.groups));
    for (const std::string& group : sorted) groups.add_text(group);
  }
  const PolicyId policy = update.policy_id.value_or(PolicyId{});
  MUSTER_TRY_VOID(lock_policy(tx, tenant, policy));
  const auto status = update.status ? std::optional(to_string(*update.status)) : std::nullopt;
  MUSTER_TRY(const auto rows,
             db::run(tx, kUpdate,
                     {tenant, id, status, labels, update.groups ? db::Param(groups) : db::Param(nullptr),
                      update.policy_id.has_value(), db::Param::nullable(policy)}));
  MUSTER_TRY(auto device, get_device_by_id(tx, tenant, id));
  if (rows.affected() == 0) {
    return Error{ErrorCode::kFailedPrecondition, kDeviceStatusInvalid, "a retired device stays retired"};
  }
  announce(tx, EntityKind::kDevice, tenant, id.octets());
  if (update.status) MUSTER_TRY_VOID(announce_grantees(tx, tenant, id));
  return device;
}

Result<std::size_t> delete_device(db::Transaction& tx, const TenantId& tenant, const DeviceId& id, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kBury, {tenant, id, now}));
  if (rows.affected() == 0) return not_found();
  MUSTER_TRY(const auto revoked,
             revoke_device_certificates(tx, tenant, id, {RevocationReason::kCessationOfOperation, now}));
  MUSTER_TRY_VOID(delete_grants_with(tx, tenant, id));
  announce(tx, EntityKind::kDevice, tenant, id.octets());
  note_device_tombstone(tx, tenant, id);
  return revoked.size();
}

}  // namespace muster::registry
