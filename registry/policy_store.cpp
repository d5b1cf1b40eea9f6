// SPDX-License-Identifier: Apache-2.0
#include "registry/policy_store.h"

#include <algorithm>

#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/cursor.h"
#include "registry/device_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kSelect =
    "SELECT p.id, p.tenant_id, p.name, p.rule_actions, p.rule_filters, p.created_at, p.updated_at FROM muster.policies "
    "AS p ";
const db::Statement kInsert{"insert_policy",
                            "INSERT INTO muster.policies (tenant_id, name, rule_actions, rule_filters) VALUES "
                            "($1::uuid, $2, $3::text[], $4::text[])"
                            " ON CONFLICT (tenant_id, name) WHERE status = 'active' DO NOTHING RETURNING id"};
const db::Statement kGet{"get_policy",
                         kSelect + "WHERE p.tenant_id = $1::uuid AND p.name = $2 AND p.status = 'active'"};
const db::Statement kList{"list_policies", kSelect +
                                               "WHERE p.tenant_id = $1::uuid AND p.status = 'active' AND p.name COLLATE"
                                               " \"C\" > $2 ORDER BY p.name COLLATE \"C\" LIMIT $3::bigint"};
const db::Statement kReplace{"replace_policy_rules",
                             "UPDATE muster.policies SET rule_actions = $3::text[], rule_filters = $4::text[],"
                             " updated_at = now() WHERE tenant_id = $1::uuid AND name = $2 AND status = 'active'"};
// First the row's lock, then the look at who uses it: whoever attaches a policy locks it too.
const db::Statement kDelete{"delete_policy",
                            "UPDATE muster.policies SET status = 'deleted', updated_at = now()"
                            " WHERE tenant_id = $1::uuid AND name = $2 AND status = 'active' RETURNING id"};
const db::Statement kInUse{
    "policy_in_use",
    "SELECT EXISTS (SELECT FROM muster.devices WHERE tenant_id = $1::uuid AND policy_id = $2::uuid AND status <> "
    "'deleted')"
    " OR EXISTS (SELECT FROM muster.group_policies WHERE tenant_id = $1::uuid AND policy_id = $2::uuid)"
    " OR EXISTS (SELECT FROM muster.tenants WHERE id = $1::uuid AND default_policy_id = $2::uuid)"};
const db::Statement kLock{"lock_group_policy",
                          "SELECT FROM muster.policies WHERE tenant_id = $1::uuid AND id = $2::uuid"
                          " AND status = 'active' FOR SHARE"};
const db::Statement kAttach{"attach_group_policy",
                            "INSERT INTO muster.group_policies (tenant_id, group_name, policy_id)"
                            " VALUES ($1::uuid, $2, $3::uuid)"
                            " ON CONFLICT (tenant_id, group_name) DO UPDATE SET policy_id = excluded.policy_id"};
const db::Statement kDetach{"detach_group_policy",
                            "DELETE FROM muster.group_policies WHERE tenant_id = $1::uuid AND group_name = $2"};
const db::Statement kMembers{"group_members",
                             "SELECT id FROM muster.devices WHERE tenant_id = $1::uuid AND groups @> ARRAY[$2::text]"
                             " AND groups <> '{}' AND status IN ('active', 'suspended')"};
const db::Statement kListGroups{"list_group_policies",
                                "SELECT g.group_name, g.policy_id, p.name FROM muster.group_policies AS g"
                                " JOIN muster.policies AS p ON p.tenant_id = g.tenant_id AND p.id = g.policy_id"
                                " WHERE g.tenant_id = $1::uuid ORDER BY g.group_name COLLATE \"C\""};

struct RuleArrays {
  db::Array actions{db::ElementType::kText};
  db::Array filters{db::ElementType::kText};
};

RuleArrays to_arrays(std::span<const PolicyRule> rules) {
  RuleArrays arrays;
  for (const PolicyRule& rule : rules) {
    arrays.actions.add_text(rule.action == PolicyAction::kPublish ? "publish" : "subscribe");
    arrays.filters.add_text(rule.filter);
  }
  return arrays;
}

PolicyDocument read(const db::Row& row) {
  PolicyDocument policy{row.id<PolicyId>(0), row.id<TenantId>(1), row.text(2), {}, row.time(5), row.time(6)};
  const auto actions = row.texts(3);
  auto filters = row.texts(4);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const auto action = actions[i] == "publish" ? PolicyAction::kPublish : PolicyAction::kSubscribe;
    policy.rules.push_back({action, std::move(filters[i])});
  }
  return policy;
}

bool is_policy_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

Error not_found() { return {ErrorCode::kNotFound, kPolicyNotFound, ""}; }

}  // namespace

Result<PolicyDocument> create_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                     std::span<const PolicyRule> rules) {
  if (!is_policy_name(name)) return Error{ErrorCode::kInvalidArgument, kPolicyNameInvalid, ""};
  const RuleArrays arrays = to_arrays(rules);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert, {tenant, name, arrays.actions, arrays.filters}));
  if (rows.empty()) return Error{ErrorCode::kAlreadyExists, kPolicyExists, ""};
  announce(tx, EntityKind::kPolicy, tenant, rows[0].id<PolicyId>(0).octets());
  return get_policy(tx, tenant, name);
}

Result<PolicyDocument> get_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, name}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<Page<PolicyDocument>> list_policies(db::Transaction& tx, const TenantId& tenant, const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant, after, limit + 1}));
  std::vector<PolicyDocument> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const PolicyDocument& policy) { return policy.name; });
}

Result<PolicyDocument> replace_policy_rules(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                            std::span<const PolicyRule> rules) {
  const RuleArrays arrays = to_arrays(rules);
  MUSTER_TRY_VOID(db::run(tx, kReplace, {tenant, name, arrays.actions, arrays.filters}));
  MUSTER_TRY(auto policy, get_policy(tx, tenant, name));
  announce(tx, EntityKind::kPolicy, tenant, policy.id.octets());
  return policy;
}

Result<void> delete_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  MUSTER_TRY(const auto rows, db::run(tx, kDelete, {tenant, name}));
  if (rows.empty()) return not_found();
  const auto id = rows[0].id<PolicyId>(0);
  MUSTER_TRY(const auto used, db::run(tx, kInUse, {tenant, id}));
  if (used[0].boolean(0)) return Error{ErrorCode::kFailedPrecondition, kPolicyInUse, ""};
  announce(tx, EntityKind::kPolicy, tenant, id.octets());
  return {};
}

Result<void> set_group_policy(db::Transaction& tx, const TenantId& tenant, std::string_view group,
                              const PolicyId& policy) {
  MUSTER_TRY_VOID(normalise_groups({std::string(group)}));
  if (policy.is_nil()) {
    MUSTER_TRY_VOID(db::run(tx, kDetach, {tenant, group}));
  } else {
    MUSTER_TRY(const auto found, db::run(tx, kLock, {tenant, policy}));
    if (found.empty()) return not_found();
    MUSTER_TRY_VOID(db::run(tx, kAttach, {tenant, group, policy}));
  }
  MUSTER_TRY(const auto members, db::run(tx, kMembers, {tenant, group}));
  for (std::size_t i = 0; i < members.size(); ++i) {
    announce(tx, EntityKind::kDevice, tenant, members[i].id<DeviceId>(0).octets());
  }
  return {};
}

Result<std::vector<GroupPolicy>> list_group_policies(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kListGroups, {tenant}));
  std::vector<GroupPolicy> items;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    items.push_back({rows[i].text(0), rows[i].id<PolicyId>(1), rows[i].text(2)});
  }
  return items;
}

}  // namespace muster::registry
