// SPDX-License-Identifier: Apache-2.0
#include "api/policy_json.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "registry/policy_store.h"

namespace muster::api {
namespace {

void write_policy_fields(JsonWriter& out, const registry::PolicyDocument& policy) {
  out.field("id", policy.id.text()).field("name", policy.name);
  write_policy_body(out, policy.rules, policy.limits);
  out.field("created_at", to_rfc3339(policy.created_at)).field("updated_at", to_rfc3339(policy.updated_at));
}

void write_policy(JsonWriter& out, const registry::PolicyDocument& policy) {
  out.object([&] { write_policy_fields(out, policy); });
}

http::Response policy_response(int status, const registry::PolicyDocument& policy) {
  JsonWriter out;
  write_policy(out, policy);
  return http::json_response(status, out.take());
}

std::string target_of(const registry::PolicyDocument& policy) { return "policy:" + policy.id.text(); }

http::Response published(int status, const registry::PolicyDocument& policy, const PolicyReport& report,
                         const PolicyRequest& request) {
  JsonWriter out;
  out.object([&] {
    write_policy_fields(out, policy);
    write_warnings(out, report, request);
  });
  return http::json_response(status, out.take());
}

// What the document says, for the audit: as much of it as fits there.
std::string body_text(const registry::PolicyDocument& policy) {
  JsonWriter out;
  out.object([&] { write_policy_body(out, policy.rules, policy.limits); });
  return out.take();
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name = body.required_string("name");
  MUSTER_TRY(const auto request, read_policy(body));
  MUSTER_TRY_VOID(body.finish());
  const PolicyReport report = check(request);
  if (report.refuses()) return refusal(report, request, call.request.request_id);
  using Document = registry::PolicyDocument;
  MUSTER_TRY(const Document policy,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Document> {
               MUSTER_TRY(auto made,
                          registry::create_policy(tx, call.tenant().id, name, request.rules, request.limits));
               auto event = call.event("policy.create", target_of(made), made.name);
               event.detail.emplace_back(registry::AuditField::kNewValue, body_text(made));
               MUSTER_TRY_VOID(append_event(tx, event));
               return made;
             }));
  http::Response response = published(201, policy, report, request);
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/policies/" + policy.name);
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto policies, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_policies(tx, call.tenant().id, page);
             }));
  return page_response(policies, write_policy);
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const auto policy, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_policy(tx, call.tenant().id, call.request.parameter("policy"));
             }));
  return policy_response(200, policy);
}

Result<http::Response> replace(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  MUSTER_TRY(const auto request, read_policy(body));
  MUSTER_TRY_VOID(body.finish());
  const PolicyReport report = check(request);
  if (report.refuses()) return refusal(report, request, call.request.request_id);
  using Document = registry::PolicyDocument;
  MUSTER_TRY(const Document policy,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Document> {
               const std::string& name = call.request.parameter("policy");
               MUSTER_TRY(const auto before, registry::get_policy(tx, call.tenant().id, name));
               MUSTER_TRY(auto made,
                          registry::replace_policy_rules(tx, call.tenant().id, name, request.rules, request.limits));
               auto event = call.event("policy.replace", target_of(made), made.name);
               event.detail.emplace_back(registry::AuditField::kOldValue, body_text(before));
               event.detail.emplace_back(registry::AuditField::kNewValue, body_text(made));
               MUSTER_TRY_VOID(append_event(tx, event));
               return made;
             }));
  return published(200, policy, report, request);
}

Result<http::Response> remove(Call& call) {
  const std::string& name = call.request.parameter("policy");
  auto removed = db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto policy, registry::get_policy(tx, call.tenant().id, name));
    MUSTER_TRY_VOID(registry::delete_policy(tx, call.tenant().id, name));
    auto event = call.event("policy.delete", target_of(policy), policy.name);
    event.detail.emplace_back(registry::AuditField::kOldValue, body_text(policy));
    return append_event(tx, event);
  });
  if (!removed.ok()) return std::move(removed).error();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_policies(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/policies";
  const std::string one = all + "/{policy}";
  operations.push_back({"POST", all, Action::kPolicyWrite, create, Replay::kAnswer});
  operations.push_back({"GET", all, Action::kPolicyRead, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", one, Action::kPolicyRead, get});
  operations.push_back({"PUT", one, Action::kPolicyWrite, replace, Replay::kAnswer});
  operations.push_back({"DELETE", one, Action::kPolicyWrite, remove});
}

}  // namespace muster::api
