// SPDX-License-Identifier: Apache-2.0
#include "edge/entity_line.h"

#include <string_view>

#include "core/encoding.h"

namespace muster::edge {
namespace {

std::string_view to_text(EntityStatus status) {
  switch (status) {
    case EntityStatus::kActive: return "active";
    case EntityStatus::kSuspended: return "suspended";
    case EntityStatus::kGone: return "gone";
  }
  return "gone";
}

class LineWriter {
 public:
  explicit LineWriter(std::string_view type) { add("type", type); }
  void add(std::string_view name, std::string_view text) {
    key(name);
    append_json_string(line_, text);
  }
  void key(std::string_view name) {
    line_ += line_.empty() ? '{' : ',';
    append_json_string(line_, name);
    line_ += ':';
  }
  std::string& raw() { return line_; }
  std::string end() { return std::move(line_) + "}"; }

 private:
  std::string line_;
};

std::string write(const TenantState& s) {
  LineWriter out{"tenant"};
  out.add("id", s.id.text());
  out.add("name", s.name);
  out.add("status", to_text(s.status));
  if (!s.policies.fallback.is_nil()) out.add("default_policy_id", s.policies.fallback.text());
  if (!s.policies.groups.empty()) {
    out.key("group_policies");
    std::string& line = out.raw();
    line += '[';
    for (const auto& [group, policy] : s.policies.groups) {
      line += line.back() == '[' ? R"({"group":)" : R"(,{"group":)";
      append_json_string(line, group);
      line += R"(,"policy_id":")" + policy.text() + "\"}";
    }
    line += ']';
  }
  if (s.limits != TenantLimits{}) {
    out.key("limits");
    out.raw() += to_json_text(s.limits);
  }
  return out.end();
}

// The limits of a rule, where it has any.
void write_limits(std::string& line, std::uint8_t max_qos, std::uint32_t max_payload) {
  if (max_qos != kAnyQos) line += ",\"max_qos\":" + std::to_string(max_qos);
  if (max_payload != kAnyPayload) line += ",\"max_payload\":" + std::to_string(max_payload);
}

std::string write(const IssuerState& s) {
  LineWriter out{"issuer"};
  out.add("id", s.id.text());
  out.add("tenant_id", s.tenant_id.text());
  out.add("status", to_text(s.status));
  out.add("spki_sha256", to_hex(s.spki_sha256));
  out.add("certificate", to_base64(s.certificate));
  if (!s.external.empty()) out.add("external", to_base64(s.external));
  return out.end();
}

std::string write(const PolicyState& s) {
  LineWriter out{"policy"};
  out.add("id", s.id.text());
  out.add("tenant_id", s.tenant_id.text());
  out.add("status", to_text(s.status));
  out.key("rules");
  std::string& line = out.raw();
  line += '[';
  for (const PolicyRule& rule : s.rules) {
    if (line.back() != '[') line += ',';
    line += R"({"action":")";
    line += to_string(rule.action);
    line += R"(","filter":)";
    append_json_string(line, rule.filter);
    write_limits(line, rule.max_qos, rule.max_payload);
    line += '}';
  }
  line += ']';
  if (s.limits != Limits{}) {
    out.key("limits");
    line += to_json_text(s.limits);
  }
  return out.end();
}

void write_grants(LineWriter& out, const std::vector<DeviceGrant>& grants) {
  if (grants.empty()) return;
  out.key("grants");
  std::string& line = out.raw();
  line += '[';
  for (const DeviceGrant& grant : grants) {
    if (line.back() != '[') line += ',';
    line += R"({"on":")" + grant.on.text() + R"(","device":)";
    append_json_string(line, grant.device);
    line += R"(,"actions":[)";
    for (const PolicyAction action : kPolicyActions) {
      if (!grant.rule.actions.has(action)) continue;
      if (line.back() != '[') line += ',';
      append_json_string(line, to_string(action));
    }
    line += R"(],"filter":)";
    append_json_string(line, grant.rule.filter);
    write_limits(line, grant.rule.max_qos, grant.rule.max_payload);
    line += '}';
  }
  line += ']';
}

std::string write(const DeviceState& s) {
  LineWriter out{"device"};
  out.add("id", s.id.text());
  out.add("tenant_id", s.tenant_id.text());
  out.add("name", s.name);
  out.add("status", to_text(s.status));
  if (s.policy_id.is_nil()) {
    out.key("policy_id");
    out.raw() += "null";
  } else {
    out.add("policy_id", s.policy_id.text());
  }
  out.key("groups");
  std::string& line = out.raw();
  line += '[';
  for (const std::string& group : s.groups) {
    if (line.back() != '[') line += ',';
    append_json_string(line, group);
  }
  line += "],\"labels\":{";
  for (const auto& [name, value] : s.labels) {
    if (line.back() != '{') line += ',';
    append_json_string(line, name);
    line += ':';
    append_json_string(line, value);
  }
  line += '}';
  write_grants(out, s.grants);
  return out.end();
}

std::string write(const CertificateState& s) {
  LineWriter out{"certificate"};
  out.add("id", to_hex(s.id));
  out.add("tenant_id", s.tenant_id.text());
  out.add("device_id", s.device_id.text());
  out.add("issuer_id", s.issuer_id.text());
  out.add("status", to_text(s.status));
  out.add("not_after", to_rfc3339(s.not_after));
  return out.end();
}

}  // namespace

std::string to_entity_line(const IdentityChange& entity) {
  return std::visit([](const auto& state) { return write(state); }, entity);
}

EntityStatus status_of(const IdentityChange& entity) {
  return std::visit([](const auto& state) { return state.status; }, entity);
}

}  // namespace muster::edge
