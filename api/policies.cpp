// SPDX-License-Identifier: Apache-2.0
#include "api/reasons.h"
#include "api/routes.h"
#include "core/policy.h"
#include "registry/policy_store.h"

namespace muster::api {
namespace {

// Filters of consecutive rules with one action stand together, as they were sent.
void write_rules(JsonWriter& out, const std::vector<PolicyRule>& rules) {
  out.array([&] {
    for (std::size_t i = 0; i < rules.size();) {
      const PolicyAction action = rules[i].action;
      out.object([&] {
        out.field("action", action == PolicyAction::kPublish ? "publish" : "subscribe");
        out.key("topics").array([&] {
          for (; i < rules.size() && rules[i].action == action; ++i) out.value(rules[i].filter);
        });
      });
    }
  });
}

void write_policy(JsonWriter& out, const registry::PolicyDocument& policy) {
  out.object([&] {
    out.field("id", policy.id.text()).field("name", policy.name);
    out.key("rules");
    write_rules(out, policy.rules);
    out.field("created_at", to_rfc3339(policy.created_at)).field("updated_at", to_rfc3339(policy.updated_at));
  });
}

http::Response policy_response(int status, const registry::PolicyDocument& policy) {
  JsonWriter out;
  write_policy(out, policy);
  return http::json_response(status, out.take());
}

std::string target_of(const registry::PolicyDocument& policy) { return "policy:" + policy.id.text(); }

Result<std::vector<PolicyRule>> read_rules(JsonReader& body) {
  std::vector<PolicyRule> rules;
  for (JsonReader& entry : body.required_objects("rules", kMaxPolicyRules)) {
    const std::string action = entry.required_string("action");
    if (action != "publish" && action != "subscribe") entry.fail("action", "publish or subscribe");
    const auto topics = entry.optional_strings("topics", kMaxPolicyRules);
    if (!topics) entry.fail("topics", "a list of topic filters");
    MUSTER_TRY_VOID(entry.finish());
    for (const std::string& topic : *topics) {
      rules.push_back({action == "publish" ? PolicyAction::kPublish : PolicyAction::kSubscribe, topic});
    }
  }
  return rules;
}

Result<void> check_rules(const std::vector<PolicyRule>& rules) {
  MUSTER_TRY(const Policy compiled, Policy::compile(rules));
  (void)compiled;
  return {};
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name = body.required_string("name");
  MUSTER_TRY(const auto rules, read_rules(body));
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY_VOID(check_rules(rules));
  using Document = registry::PolicyDocument;
  MUSTER_TRY(const Document policy,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Document> {
               MUSTER_TRY(auto made, registry::create_policy(tx, call.tenant().id, name, rules));
               MUSTER_TRY_VOID(append_event(tx, call.event("policy.create", target_of(made), made.name)));
               return made;
             }));
  http::Response response = policy_response(201, policy);
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
  MUSTER_TRY(const auto rules, read_rules(body));
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY_VOID(check_rules(rules));
  using Document = registry::PolicyDocument;
  MUSTER_TRY(const Document policy,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Document> {
               MUSTER_TRY(auto made, registry::replace_policy_rules(tx, call.tenant().id,
                                                                    call.request.parameter("policy"), rules));
               MUSTER_TRY_VOID(append_event(tx, call.event("policy.replace", target_of(made), made.name)));
               return made;
             }));
  return policy_response(200, policy);
}

Result<http::Response> remove(Call& call) {
  const std::string& name = call.request.parameter("policy");
  auto removed = db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto policy, registry::get_policy(tx, call.tenant().id, name));
    MUSTER_TRY_VOID(registry::delete_policy(tx, call.tenant().id, name));
    return append_event(tx, call.event("policy.delete", target_of(policy), policy.name));
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
