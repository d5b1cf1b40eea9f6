// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>
#include <unordered_map>

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/device_store.h"
#include "registry/json_text.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

// A device's groups come as one text: unnest would flatten an array of arrays.
const db::Statement kInsert{
    "insert_devices",
    "INSERT INTO muster.devices (tenant_id, name, policy_id, labels, groups, created_by)"
    " SELECT $1::uuid, u.name, u.policy_id, u.labels::jsonb,"
    "  CASE WHEN u.groups = '' THEN '{}'::text[] ELSE string_to_array(u.groups, ' ') END, u.created_by"
    " FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[])"
    "  AS u (name, policy_id, labels, groups, created_by) ORDER BY u.name"
    " ON CONFLICT (tenant_id, name) WHERE status <> 'deleted' DO NOTHING RETURNING id, name, created_at"};
const db::Statement kHeldNames{
    "held_device_names",
    "SELECT DISTINCT d.name FROM muster.devices AS d"
    " WHERE d.tenant_id = $1::uuid AND d.name = ANY ($2::text[]) AND d.status = 'deleted'"
    " AND (d.gone_number IS NULL OR NOT muster.edges_have_applied(d.tenant_id, d.gone_number)"
    "  OR EXISTS (SELECT FROM muster.certificates AS c WHERE c.tenant_id = d.tenant_id AND c.device_id = d.id"
    "   AND c.status = 'active' AND c.not_after >= now()))"};
const db::Statement kLockPolicies{
    "lock_policies",
    "SELECT id, name FROM muster.policies WHERE tenant_id = $1::uuid AND id = ANY ($2::uuid[])"
    " AND status = 'active' ORDER BY id FOR SHARE"};

// Locked until this transaction ends: no device slips past the sweep of a tenant that is being deleted.
const db::Statement kLockTenant{"lock_tenant_of_devices",
                                "SELECT status = 'active' FROM muster.tenants WHERE id = $1::uuid FOR SHARE"};

using Outcomes = std::vector<std::optional<Result<Device>>>;  // absent: still to be made

// Checks everything that needs no database. Returns the devices as they will be stored.
Outcomes check(std::span<const NewDevice> requests, std::vector<Device>& drafts) {
  Outcomes outcomes(requests.size());
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const NewDevice& request = requests[i];
    Device& draft = drafts[i];
    draft.name = request.name.text();
    draft.policy_id = request.policy_id;
    draft.created_by = request.created_by;
    auto labels = normalise_labels(request.labels);
    auto groups = normalise_groups(request.groups);
    if (!labels.ok()) {
      outcomes[i] = labels.error();
    } else if (!groups.ok()) {
      outcomes[i] = groups.error();
    } else if (!names.insert(request.name.text()).second) {
      outcomes[i] = Error{ErrorCode::kAlreadyExists, kDeviceExists, "named twice in one request"};
    } else {
      draft.labels = std::move(labels).value();
      draft.groups = std::move(groups).value();
    }
  }
  return outcomes;
}

Result<void> check_policies(db::Transaction& tx, const TenantId& tenant, std::vector<Device>& drafts,
                            Outcomes& outcomes) {
  db::Array wanted(db::ElementType::kUuid);
  for (const Device& draft : drafts) {
    if (!draft.policy_id.is_nil()) wanted.add(draft.policy_id);
  }
  if (wanted.size() == 0) return {};
  MUSTER_TRY(const auto rows, db::run(tx, kLockPolicies, {tenant, wanted}));
  std::unordered_map<PolicyId, std::string> name_of;
  for (std::size_t i = 0; i < rows.size(); ++i) name_of.emplace(rows[i].id<PolicyId>(0), rows[i].text(1));
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (outcomes[i] || drafts[i].policy_id.is_nil()) continue;
    const auto found = name_of.find(drafts[i].policy_id);
    if (found == name_of.end()) {
      outcomes[i] = Error{ErrorCode::kNotFound, kPolicyNotFound, ""};
    } else {
      drafts[i].policy_name = found->second;
    }
  }
  return {};
}

Result<void> check_tenant(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kLockTenant, {tenant}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kTenantNotFound, ""};
  if (!rows[0].boolean(0)) return Error{ErrorCode::kFailedPrecondition, kTenantInactive, ""};
  return {};
}

Result<std::set<std::string>> held_names(db::Transaction& tx, const TenantId& tenant,
                                         const std::vector<Device>& drafts) {
  db::Array names(db::ElementType::kText);
  for (const Device& draft : drafts) names.add_text(draft.name);
  MUSTER_TRY(const auto rows, db::run(tx, kHeldNames, {tenant, names}));
  std::set<std::string> held;
  for (std::size_t i = 0; i < rows.size(); ++i) held.insert(rows[i].text(0));
  return held;
}

std::string joined(const std::vector<std::string>& groups) {
  std::string text;
  for (const std::string& group : groups) text += (text.empty() ? "" : " ") + group;  // a group has no space in it
  return text;
}

Result<void> insert(db::Transaction& tx, const TenantId& tenant, std::vector<Device>& drafts, Outcomes& outcomes) {
  db::Array names(db::ElementType::kText);
  db::Array policies(db::ElementType::kUuid);
  db::Array labels(db::ElementType::kText);
  db::Array groups(db::ElementType::kText);
  db::Array creators(db::ElementType::kText);
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (outcomes[i]) continue;
    names.add_text(drafts[i].name);
    policies.add_nullable(drafts[i].policy_id);
    labels.add_text(to_json_object(drafts[i].labels));
    groups.add_text(joined(drafts[i].groups));
    creators.add_text(drafts[i].created_by);
  }
  if (names.size() == 0) return {};
  MUSTER_TRY(const auto rows, db::run(tx, kInsert, {tenant, names, policies, labels, groups, creators}));
  std::unordered_map<std::string_view, std::size_t> row_of;
  for (std::size_t i = 0; i < rows.size(); ++i) row_of.emplace(rows[i].text_view(1), i);
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (outcomes[i]) continue;
    const auto made = row_of.find(drafts[i].name);
    if (made == row_of.end()) {
      outcomes[i] = Error{ErrorCode::kAlreadyExists, kDeviceExists, ""};
      continue;
    }
    drafts[i].tenant_id = tenant;
    drafts[i].id = rows[made->second].id<DeviceId>(0);
    drafts[i].created_at = rows[made->second].time(2);
    announce(tx, EntityKind::kDevice, tenant, drafts[i].id.octets());
    outcomes[i] = std::move(drafts[i]);
  }
  return {};
}

// A device of one of these names may have been deleted while the insertion waited for it: then its tombstone must be
// looked at, and everything runs again.
Result<void> refuse_new_tombstones(db::Transaction& tx, const TenantId& tenant, const Outcomes& outcomes) {
  std::vector<Device> made;
  for (const auto& outcome : outcomes) {
    if (outcome->ok()) made.push_back(outcome->value());
  }
  if (made.empty()) return {};
  MUSTER_TRY(const auto held, held_names(tx, tenant, made));
  if (!held.empty()) return Error{ErrorCode::kUnavailable, db::kDatabaseContention, "a tombstone appeared"};
  return {};
}

}  // namespace

Result<std::vector<Result<Device>>> create_devices(db::Transaction& tx, const TenantId& tenant,
                                                   std::span<const NewDevice> devices) {
  MUSTER_TRY_VOID(check_tenant(tx, tenant));
  std::vector<Device> drafts(devices.size());
  Outcomes outcomes = check(devices, drafts);
  MUSTER_TRY_VOID(check_policies(tx, tenant, drafts, outcomes));
  MUSTER_TRY(const auto held, held_names(tx, tenant, drafts));
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (!outcomes[i] && held.contains(drafts[i].name)) {
      outcomes[i] = Error{ErrorCode::kConflict, kDeviceNameHeld, ""};
    }
  }
  MUSTER_TRY_VOID(insert(tx, tenant, drafts, outcomes));
  MUSTER_TRY_VOID(refuse_new_tombstones(tx, tenant, outcomes));
  std::vector<Result<Device>> results;
  results.reserve(outcomes.size());
  for (auto& outcome : outcomes) results.push_back(std::move(*outcome));
  return results;
}

Result<Device> create_device(db::Transaction& tx, const TenantId& tenant, const NewDevice& device) {
  MUSTER_TRY(auto results, create_devices(tx, tenant, {&device, 1}));
  return std::move(results[0]);
}

}  // namespace muster::registry
