// SPDX-License-Identifier: Apache-2.0
//
// What a device may do and why, by the code that the broker plugin decides with. What only the broker knows is assumed:
// that the device is connected with a good certificate.
#include <algorithm>

#include "api/policy_json.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "core/policy.h"
#include "core/policy_attachment.h"
#include "core/topic_decision.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/grant_store.h"
#include "registry/policy_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

using From = PolicyInForce::From;

struct TestRequest {
  std::string device;
  PolicyAction action = PolicyAction::kPublish;
  TopicQuestion question;
  std::string topic;
  std::optional<std::string> serial;
  std::optional<PolicyRequest> draft;  // decide by this document instead of the one in force
};

// Everything that the decision is made of.
struct TestFacts {
  registry::Device device;
  PolicyInForce in_force;
  std::string group;        // in_force.group, kept
  std::string policy_name;  // empty: built-in, or a draft
  std::vector<PolicyRule> rules;
  Limits limits;
  std::vector<registry::Grant> grants;
  std::string serial;
};

std::string_view name_of(From from) {
  switch (from) {
    case From::kDevice: return "device";
    case From::kGroup: return "group";
    case From::kTenant: return "tenant";
    case From::kBuiltIn: return "built-in";
  }
  return "";
}

TopicAccess access_of(PolicyAction action) {
  switch (action) {
    case PolicyAction::kPublish:
    case PolicyAction::kRetain: return TopicAccess::kPublish;
    case PolicyAction::kWill: return TopicAccess::kWill;
    case PolicyAction::kReceive: return TopicAccess::kReceive;
    case PolicyAction::kSubscribe: return TopicAccess::kSubscribe;
  }
  return TopicAccess::kPublish;
}

Result<TestRequest> read_request(JsonReader& body) {
  TestRequest request;
  request.device = body.required_string("device");
  const auto action = parse_policy_action(body.required_string("action"));
  if (!action) body.fail("action", "publish, subscribe, receive, retain or will");
  request.topic = body.required_string("topic");
  request.serial = body.optional_string("certificate_serial");
  const std::int64_t qos = body.optional_integer("qos").value_or(0);
  const std::int64_t payload = body.optional_integer("payload_size").value_or(0);
  if (qos < 0 || qos > kAnyQos) body.fail("qos", "0, 1 or 2");
  if (payload < 0 || payload > kAnyPayload) body.fail("payload_size", "0 to 268435455 octets");
  const bool retain = body.optional_bool("retain").value_or(false);
  auto draft = body.optional_object("policy");
  MUSTER_TRY_VOID(body.finish());
  if (draft) {
    MUSTER_TRY(request.draft, read_policy(*draft));
    MUSTER_TRY_VOID(draft->finish());
  }
  request.action = *action;
  request.question = {access_of(*action),
                      {},
                      {static_cast<std::uint8_t>(qos), static_cast<std::uint32_t>(payload)},
                      retain || *action == PolicyAction::kRetain};
  return request;
}

std::vector<std::string_view> views_of(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

// The serial of the device's certificate that ends last: the one it will connect with.
Result<std::string> newest_serial(db::Transaction& tx, const Call& call, const DeviceId& device) {
  registry::CertificateFilter filter;
  filter.device_id = device;
  filter.status = registry::CertificateStatus::kActive;
  MUSTER_TRY(const auto page,
             registry::list_certificates(tx, call.tenant().id, filter, {registry::kMaxPageSize, ""}, call.now()));
  return page.items.empty() ? std::string() : to_hex(page.items.back().serial);
}

Result<void> load_policy(db::Transaction& tx, const Call& call, const TestRequest& request, TestFacts& facts) {
  if (request.draft) {
    facts.rules = request.draft->rules;
    facts.limits = request.draft->limits;
    return {};
  }
  MUSTER_TRY(const auto attachments, registry::load_attachments(tx, call.tenant().id));
  facts.in_force = policy_in_force(facts.device.policy_id, views_of(facts.device.groups), attachments);
  facts.group = facts.in_force.group;
  facts.rules = default_policy_rules();
  if (facts.in_force.from == From::kBuiltIn) return {};
  MUSTER_TRY(const auto document, registry::get_policy_by_id(tx, call.tenant().id, facts.in_force.id));
  facts.policy_name = document.name;
  facts.rules = document.rules;
  facts.limits = document.limits;
  return {};
}

Result<TestFacts> load(db::Transaction& tx, const Call& call, const TestRequest& request) {
  TestFacts facts;
  const auto name = DeviceName::parse(request.device);
  if (!name.ok()) return Error{ErrorCode::kNotFound, registry::kDeviceNotFound, ""};
  MUSTER_TRY(facts.device, registry::get_device(tx, call.tenant().id, *name));
  MUSTER_TRY_VOID(load_policy(tx, call, request, facts));
  MUSTER_TRY(facts.grants, registry::list_grants_of(tx, call.tenant().id, facts.device.id));
  facts.serial = request.serial.value_or("");
  if (request.serial) return facts;
  MUSTER_TRY(facts.serial, newest_serial(tx, call, facts.device.id));
  return facts;
}

// A grant's line and the grant that it is of.
struct GrantLine {
  GrantedTopics topics;
  const registry::Grant* grant;
};

std::vector<GrantLine> lines_of(const std::vector<registry::Grant>& grants) {
  std::vector<GrantLine> lines;
  for (const registry::Grant& grant : grants) {
    if (!grant.on_active) continue;
    for (const std::string& filter : grant.filters) {
      lines.push_back({{grant.on_name, grant.actions, grant.max_qos, grant.max_payload, filter}, &grant});
    }
  }
  std::ranges::stable_sort(lines, {}, [](const GrantLine& line) { return line.topics.device; });
  return lines;
}

// What the plugin says of such a tenant or device before it looks at the topic (auth-plugin/reasons.h).
std::string_view standing_refusal(const registry::Tenant& tenant, const registry::Device& device) {
  if (tenant.status != registry::TenantStatus::kActive) return "tenant.suspended";
  switch (device.status) {
    case registry::DeviceStatus::kActive: return {};
    case registry::DeviceStatus::kSuspended: return "device.suspended";
    case registry::DeviceStatus::kRetired: return "device.gone";
  }
  return "device.gone";
}

void write_policy(JsonWriter& out, const TestRequest& request, const TestFacts& facts) {
  out.key("policy").object([&] {
    out.field("from", request.draft ? "draft" : name_of(facts.in_force.from));
    out.nullable("group", facts.group);
    out.nullable("id", facts.in_force.id.is_nil() ? std::string() : facts.in_force.id.text());
    out.nullable("name", facts.policy_name);
  });
}

void write_rule(JsonWriter& out, const TestFacts& facts, const TopicVerdict& verdict) {
  out.key("rule");
  if (verdict.by != TopicVerdict::By::kPolicy || verdict.rule >= facts.rules.size()) {
    out.null();
    return;
  }
  const PolicyRule& rule = facts.rules[verdict.rule];
  out.object([&] {
    out.field("index", place_of(facts.rules, verdict.rule));
    out.field("action", to_string(rule.action)).field("topic", rule.filter);
    write_rule_limits(out, rule.max_qos, rule.max_payload);
  });
}

void write_grant(JsonWriter& out, const std::vector<GrantLine>& lines, const TopicVerdict& verdict) {
  out.key("grant");
  if (verdict.by != TopicVerdict::By::kGrant) {
    out.null();
    return;
  }
  const GrantLine& line = lines[verdict.rule];
  out.object([&] {
    out.field("id", line.grant->id.text()).field("on", line.topics.device).field("topic", line.topics.filter);
    write_rule_limits(out, line.topics.max_qos, line.topics.max_payload);
  });
}

Result<http::Response> answer(const Call& call, const TestRequest& request, const TestFacts& facts) {
  const Policy policy = Policy::compile_stored(facts.rules, facts.limits);
  const auto groups = views_of(facts.device.groups);
  const std::vector<std::pair<std::string_view, std::string_view>> labels(facts.device.labels.begin(),
                                                                          facts.device.labels.end());
  const auto lines = lines_of(facts.grants);
  std::vector<GrantedTopics> granted;
  for (const GrantLine& line : lines) granted.push_back(line.topics);
  TopicQuestion question = request.question;
  question.topic = request.topic;
  const PolicySubject subject{call.tenant().name, facts.device.name, groups, labels, facts.serial};
  TopicVerdict verdict = decide_topic({policy, subject, granted}, question);
  const std::string_view refusal = standing_refusal(call.tenant(), facts.device);
  if (!refusal.empty()) verdict = {refusal};

  JsonWriter out;
  out.object([&] {
    out.field("verdict", verdict.allowed() ? "allow" : "deny").nullable("reason", verdict.reason);
    write_policy(out, request, facts);
    write_rule(out, facts, verdict);
    write_grant(out, lines, verdict);
    out.nullable("certificate_serial", facts.serial);
  });
  return http::json_response(200, out.take());
}

Result<http::Response> test(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  MUSTER_TRY(const TestRequest request, read_request(body));
  if (request.draft) {
    const PolicyReport report = check(*request.draft);
    if (report.refuses()) return refusal(report, *request.draft, call.request.request_id);
  }
  MUSTER_TRY(const TestFacts facts, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return load(tx, call, request);
             }));
  return answer(call, request, facts);
}

}  // namespace

void add_policy_tests(Operations& operations) {
  operations.push_back({"POST", "/v1/tenants/{tenant}/policy-tests", Action::kPolicyRead, test});
}

}  // namespace muster::api
