// SPDX-License-Identifier: Apache-2.0
//
// Groups are names that devices carry; what there is of a group itself is the policy that it gives its devices.
#include <algorithm>

#include "api/reasons.h"
#include "api/routes.h"
#include "registry/policy_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

using registry::GroupPolicy;

void write_group(JsonWriter& out, const GroupPolicy& group) {
  out.object([&] { out.field("name", group.group).field("policy", group.policy_name); });
}

http::Response group_response(int status, const GroupPolicy& group) {
  JsonWriter out;
  write_group(out, group);
  return http::json_response(status, out.take());
}

Result<std::optional<GroupPolicy>> find(db::Transaction& tx, const Call& call, const std::string& name) {
  MUSTER_TRY(auto groups, registry::list_group_policies(tx, call.tenant().id));
  const auto found = std::ranges::find(groups, name, &GroupPolicy::group);
  return found == groups.end() ? std::optional<GroupPolicy>() : std::optional(std::move(*found));
}

Error not_found() { return {ErrorCode::kNotFound, registry::kGroupPolicyNotFound, ""}; }

// `policy` empty: none.
Result<void> attach(db::Transaction& tx, const Call& call, const std::string& group, const std::string& policy) {
  MUSTER_TRY(const auto before, find(tx, call, group));
  PolicyId id;
  if (!policy.empty()) {
    MUSTER_TRY(const auto document, registry::get_policy(tx, call.tenant().id, policy));
    id = document.id;
  }
  MUSTER_TRY_VOID(registry::set_group_policy(tx, call.tenant().id, group, id));
  auto event = call.event("group.set_policy", "group:" + group, group);
  event.detail.emplace_back(registry::AuditField::kOldValue, before ? before->policy_name : "");
  event.detail.emplace_back(registry::AuditField::kNewValue, policy);
  return append_event(tx, event);
}

Result<http::Response> set(Call& call, int status, const std::string& group, const std::string& policy) {
  MUSTER_TRY(const GroupPolicy now,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<GroupPolicy> {
               MUSTER_TRY_VOID(attach(tx, call, group, policy));
               MUSTER_TRY(auto found, find(tx, call, group));
               if (!found) return not_found();
               return std::move(*found);
             }));
  return group_response(status, now);
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name = body.required_string("name");
  const std::string policy = body.required_string("policy");
  MUSTER_TRY_VOID(body.finish());
  if (policy.empty()) return Error{ErrorCode::kNotFound, registry::kPolicyNotFound, ""};
  MUSTER_TRY(auto response, set(call, 201, name, policy));
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/groups/" + name);
  return response;
}

Result<http::Response> replace(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string policy = body.required_string("policy");
  MUSTER_TRY_VOID(body.finish());
  if (policy.empty()) return Error{ErrorCode::kNotFound, registry::kPolicyNotFound, ""};
  return set(call, 200, call.request.parameter("group"), policy);
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto groups, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_group_policies(tx, call.tenant().id);
             }));
  return page_response(registry::Page<GroupPolicy>{groups, ""}, write_group);
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const auto group, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return find(tx, call, call.request.parameter("group"));
             }));
  if (!group) return not_found();
  return group_response(200, *group);
}

Result<http::Response> remove(Call& call) {
  const std::string& name = call.request.parameter("group");
  MUSTER_TRY_VOID(db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto group, find(tx, call, name));
    if (!group) return not_found();
    return attach(tx, call, name, "");
  }));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_groups(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/groups";
  const std::string one = all + "/{group}";
  operations.push_back({"POST", all, Action::kPolicyWrite, create, Replay::kAnswer});
  operations.push_back({"GET", all, Action::kPolicyRead, list});
  operations.push_back({"GET", one, Action::kPolicyRead, get});
  operations.push_back({"PUT", one, Action::kPolicyWrite, replace, Replay::kAnswer});
  operations.push_back({"DELETE", one, Action::kPolicyWrite, remove});
}

}  // namespace muster::api
