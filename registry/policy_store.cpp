// SPDX-License-Identifier: Apache-2.0
#include "registry/policy_store.h"

#include <algorithm>
#include <charconv>

#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/cursor.h"
#include "registry/device_store.h"
#include "registry/policy_rows.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kSelect = "SELECT p.id, p.tenant_id, p.name, p.created_at, p.updated_at, " + policy_body_columns() +
                            " FROM muster.policies AS p ";
const db::Statement kInsert{"insert_policy",
                            "INSERT INTO muster.policies (tenant_id, name, rule_actions, rule_filters, rule_max_qos,"
                            " rule_max_payload, limits) VALUES ($1::uuid, $2, $3::text[], $4::text[], $5::integer[],"
                            " $6::integer[], $7::bytea)"
                            " ON CONFLICT (tenant_id, name) WHERE status = 'active' DO NOTHING RETURNING id"};
const db::Statement kGet{"get_policy",
                         kSelect + "WHERE p.tenant_id = $1::uuid AND p.name = $2 AND p.status = 'active'"};
const db::Statement kGetById{"get_policy_by_id", kSelect + "WHERE p.tenant_id = $1::uuid AND p.id = $2::uuid"};
const db::Statement kList{"list_policies", kSelect +
                                               "WHERE p.tenant_id = $1::uuid AND p.status = 'active' AND p.name COLLATE"
                                               " \"C\" > $2 ORDER BY p.name COLLATE \"C\" LIMIT $3::bigint"};
const db::Statement kReplace{"replace_policy_rules",
                             "UPDATE muster.policies SET rule_actions = $3::text[], rule_filters = $4::text[],"
                             " rule_max_qos = $5::integer[], rule_max_payload = $6::integer[], limits = $7::bytea,"
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
const db::Statement kCountGroups{"count_group_policies",
                                 "SELECT count(*) FROM muster.group_policies WHERE tenant_id = $1::uuid"};
// The order of attachments: the tenant's row is locked, so that no two of them are counted at the same time.
const db::Statement kLockTenant{"lock_tenant_of_attachment",
                                "SELECT default_policy_id FROM muster.tenants WHERE id = $1::uuid"
                                " FOR NO KEY UPDATE"};
const db::Statement kFallback{"tenant_fallback_policy",
                              "SELECT default_policy_id FROM muster.tenants WHERE id = $1::uuid"};
const db::Statement kListGroups{"list_group_policies",
                                "SELECT g.group_name, g.policy_id, p.name FROM muster.group_policies AS g"
                                " JOIN muster.policies AS p ON p.tenant_id = g.tenant_id AND p.id = g.policy_id"
                                " WHERE g.tenant_id = $1::uuid ORDER BY g.group_name COLLATE \"C\""};

// Each rule's parts in arrays of their own.
struct RuleArrays {
  explicit RuleArrays(std::span<const PolicyRule> rules, const Limits& of_policy) : limits(encode(of_policy)) {
    for (const PolicyRule& rule : rules) {
      actions.add_text(to_string(rule.action));
      filters.add_text(rule.filter);
      max_qos.add(std::int64_t{rule.max_qos});
      max_payload.add(std::int64_t{rule.max_payload});
    }
  }
  db::Array actions{db::ElementType::kText};
  db::Array filters{db::ElementType::kText};
  db::Array max_qos{db::ElementType::kInt32};
  db::Array max_payload{db::ElementType::kInt32};
  Bytes limits;
};

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

PolicyDocument read(const db::Row& row) {
  PolicyBody body = read_policy_body(row, 5);
  return {row.id<PolicyId>(0), row.id<TenantId>(1), row.text(2), std::move(body.rules),
          body.limits,         row.time(3),         row.time(4)};
}

bool is_policy_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

Error not_found() { return {ErrorCode::kNotFound, kPolicyNotFound, ""}; }

}  // namespace

Result<PolicyDocument> create_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                     std::span<const PolicyRule> rules, const Limits& limits) {
  if (!is_policy_name(name)) return Error{ErrorCode::kInvalidArgument, kPolicyNameInvalid, ""};
  const RuleArrays arrays(rules, limits);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {tenant, name, arrays.actions, arrays.filters, arrays.max_qos, arrays.max_payload,
                                       arrays.limits}));
  if (rows.empty()) return Error{ErrorCode::kAlreadyExists, kPolicyExists, ""};
  announce(tx, EntityKind::kPolicy, tenant, rows[0].id<PolicyId>(0).octets());
  return get_policy(tx, tenant, name);
}

Result<PolicyDocument> get_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, name}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<PolicyDocument> get_policy_by_id(db::Transaction& tx, const TenantId& tenant, const PolicyId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGetById, {tenant, id}));
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
                                            std::span<const PolicyRule> rules, const Limits& limits) {
  const RuleArrays arrays(rules, limits);
  MUSTER_TRY_VOID(db::run(
      tx, kReplace, {tenant, name, arrays.actions, arrays.filters, arrays.max_qos, arrays.max_payload, arrays.limits}));
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
  MUSTER_TRY_VOID(db::run(tx, kLockTenant, {tenant}));
  if (policy.is_nil()) {
    MUSTER_TRY_VOID(db::run(tx, kDetach, {tenant, group}));
  } else {
    MUSTER_TRY(const auto found, db::run(tx, kLock, {tenant, policy}));
    if (found.empty()) return not_found();
    MUSTER_TRY_VOID(db::run(tx, kAttach, {tenant, group, policy}));
  }
  MUSTER_TRY(const auto count, db::run(tx, kCountGroups, {tenant}));
  if (!policy.is_nil() && count[0].number(0) > static_cast<std::int64_t>(kMaxGroupPolicies)) {
    return Error{ErrorCode::kFailedPrecondition, kPolicyTooManyGroups, std::to_string(kMaxGroupPolicies)};
  }
  announce(tx, EntityKind::kTenant, tenant, tenant.octets());
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

Result<PolicyAttachments> load_attachments(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto fallback, db::run(tx, kFallback, {tenant}));
  MUSTER_TRY(const auto groups, list_group_policies(tx, tenant));
  PolicyAttachments attachments;
  if (!fallback.empty()) attachments.fallback = fallback[0].id_or_nil<PolicyId>(0);
  for (const GroupPolicy& group : groups) attachments.groups.emplace_back(group.group, group.policy_id);
  return attachments;
}

PolicyBody read_policy_body(const db::Row& row, int column) {
  const auto actions = row.texts(column);
  auto filters = row.texts(column + 1);
  const auto max_qos = row.texts(column + 2);
  const auto max_payload = row.texts(column + 3);
  const auto limits = decode_limits(row.bytes_view(column + 4));
  PolicyBody body;
  for (std::size_t i = 0; limits && i < actions.size(); ++i) {
    const auto action = parse_policy_action(actions[i]);
    if (!action) return {};
    PolicyRule rule{*action, std::move(filters[i])};
    const bool limited = !max_qos.empty();
    if (limited && !(read_number(max_qos[i], rule.max_qos) && read_number(max_payload[i], rule.max_payload))) return {};
    body.rules.push_back(std::move(rule));
  }
  if (limits) body.limits = *limits;
  return body;
}

}  // namespace muster::registry
