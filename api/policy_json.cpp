// SPDX-License-Identifier: Apache-2.0
#include "api/policy_json.h"

#include <algorithm>

namespace muster::api {
namespace {

bool stand_together(const PolicyRule& a, const PolicyRule& b) {
  return a.action == b.action && a.max_qos == b.max_qos && a.max_payload == b.max_payload;
}

Limits read_limits(JsonReader& body) {
  Limits limits;
  auto object = body.optional_object("limits");
  if (!object) return limits;
  for (const LimitField& field : limit_fields()) {
    const auto value = object->optional_integer(std::string(field.name));
    if (!value) continue;
    const auto set = set_limit(limits, LimitScope::kDevice, field.name, *value);
    if (!set.ok()) object->fail(std::string(field.name), set.error().detail);
  }
  if (const auto finished = object->finish(); !finished.ok()) body.fail("limits", finished.error().detail);
  if (const auto checked = check_limits(limits, LimitScope::kDevice); !checked.ok()) {
    body.fail("limits", std::string(checked.error().reason) + " " + checked.error().detail);
  }
  return limits;
}

void write_finding(JsonWriter& out, const PolicyFinding& finding, const PolicyRequest& request) {
  out.object([&] {
    out.field("reason", finding.reason);
    if (finding.rule < request.rules.size()) {
      out.field("rule", request.places[finding.rule]).field("topic", request.rules[finding.rule].filter);
    }
    out.field("severity", finding.refuses ? "error" : "warning");
    if (finding.reason == "policy.rule_shadowed") {
      out.field("shadowed_by", request.places[finding.other])
          .field("shadowing_topic", request.rules[finding.other].filter);
    }
  });
}

}  // namespace

void read_rule_limits(JsonReader& body, std::uint8_t& max_qos, std::uint32_t& max_payload) {
  const auto qos = body.optional_integer("max_qos");
  const auto payload = body.optional_integer("max_payload");
  if (qos && (*qos < 0 || *qos > kAnyQos)) body.fail("max_qos", "0, 1 or 2");
  if (payload && (*payload < 0 || *payload > kAnyPayload)) body.fail("max_payload", "0 to 268435455 octets");
  if (qos) max_qos = static_cast<std::uint8_t>(*qos);
  if (payload) max_payload = static_cast<std::uint32_t>(*payload);
}

Result<PolicyRequest> read_policy(JsonReader& body) {
  PolicyRequest request;
  std::size_t place = 0;
  for (JsonReader& entry : body.required_objects("rules", kMaxPolicyRules)) {
    const auto action = parse_policy_action(entry.required_string("action"));
    if (!action) entry.fail("action", "publish, subscribe, receive, retain or will");
    PolicyRule rule{action.value_or(PolicyAction::kPublish), {}};
    const auto topics = entry.optional_strings("topics", kMaxPolicyRules);
    if (!topics) entry.fail("topics", "a list of topic filters");
    read_rule_limits(entry, rule.max_qos, rule.max_payload);
    MUSTER_TRY_VOID(entry.finish());
    for (const std::string& topic : *topics) {
      if (topic.empty()) return Error{ErrorCode::kInvalidArgument, "policy.filter_invalid", "an empty topic"};
      rule.filter = topic;
      request.rules.push_back(rule);
      request.places.push_back(place);
    }
    // No topic: the document allows none of it. Of what is denied anyhow that says nothing.
    const bool says_nothing = rule.action == PolicyAction::kPublish || rule.action == PolicyAction::kSubscribe;
    if (topics->empty() && !says_nothing) {
      rule.filter.clear();
      request.rules.push_back(rule);
      request.places.push_back(place);
    }
    ++place;
  }
  request.limits = read_limits(body);
  return request;
}

bool PolicyReport::refuses() const { return std::ranges::any_of(findings, &PolicyFinding::refuses); }

PolicyReport check(const PolicyRequest& request) { return {check_policy(request.rules)}; }

http::Response refusal(const PolicyReport& report, const PolicyRequest& request, std::string_view request_id) {
  const PolicyFinding& first = *std::ranges::find_if(report.findings, &PolicyFinding::refuses);
  JsonWriter findings;
  findings.array([&] {
    for (const PolicyFinding& finding : report.findings) write_finding(findings, finding, request);
  });
  std::string detail = "more than " + std::to_string(kMaxPolicyRules) + " topics";
  if (first.rule < request.rules.size()) {
    detail = "rule " + std::to_string(request.places[first.rule]) + ": " + request.rules[first.rule].filter;
  }
  return http::problem_response({400, first.reason, detail, ",\"findings\":" + findings.take()}, request_id);
}

void write_warnings(JsonWriter& out, const PolicyReport& report, const PolicyRequest& request) {
  if (report.findings.empty()) return;
  out.key("warnings").array([&] {
    for (const PolicyFinding& finding : report.findings) write_finding(out, finding, request);
  });
}

void write_rule_limits(JsonWriter& out, std::uint8_t max_qos, std::uint32_t max_payload) {
  if (max_qos != kAnyQos) out.field("max_qos", max_qos);
  if (max_payload != kAnyPayload) out.field("max_payload", max_payload);
}

void write_policy_body(JsonWriter& out, std::span<const PolicyRule> rules, const Limits& limits) {
  out.key("rules").array([&] {
    for (std::size_t i = 0; i < rules.size();) {
      const PolicyRule& first = rules[i];
      out.object([&] {
        out.field("action", to_string(first.action));
        out.key("topics").array([&] {
          for (; i < rules.size() && stand_together(rules[i], first); ++i) {
            if (!rules[i].filter.empty()) out.value(rules[i].filter);
          }
        });
        write_rule_limits(out, first.max_qos, first.max_payload);
      });
    }
  });
  if (limits != Limits{}) out.key("limits").raw(to_json_text(limits));
}

std::size_t place_of(std::span<const PolicyRule> rules, std::size_t index) {
  std::size_t place = 0;
  for (std::size_t i = 1; i <= index && i < rules.size(); ++i) {
    if (!stand_together(rules[i - 1], rules[i])) ++place;
  }
  return place;
}

}  // namespace muster::api
