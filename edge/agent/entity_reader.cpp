// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/entity_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/encoding.h"

namespace muster::edge {
namespace {

using Json = nlohmann::json;

// Reads the fields of one object; the first that is missing or malformed makes ok() false.
class FieldReader {
 public:
  explicit FieldReader(const Json& object) : object_(object) {}

  std::string text(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || !found->is_string()) return refuse(std::string{});
    return found->get<std::string>();
  }
  std::uint64_t number(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || !found->is_number_unsigned()) return refuse(std::uint64_t{0});
    return found->get<std::uint64_t>();
  }
  std::uint64_t number_up_to(const char* name, std::uint64_t most) {
    const std::uint64_t value = number(name);
    return value > most ? refuse(most) : value;
  }
  template <typename IdType>
  IdType id(const char* name) {
    const auto parsed = parse_raw_id(text(name));
    return parsed.ok() ? IdType{*parsed} : refuse(IdType{});
  }
  RawId raw_id(const char* name) {
    const auto parsed = parse_raw_id(text(name));
    return parsed.ok() ? *parsed : refuse(RawId{});
  }
  Sha256 hash(const char* name) {
    const auto octets = from_hex(text(name));
    Sha256 hash{};
    if (!octets.ok() || octets->size() != hash.size()) return refuse(hash);
    std::ranges::copy(*octets, hash.begin());
    return hash;
  }
  HeartbeatSignature signature(const char* name) {
    const auto octets = from_base64(text(name));
    HeartbeatSignature signature{};
    if (!octets.ok() || octets->size() != signature.size()) return refuse(signature);
    std::ranges::copy(*octets, signature.begin());
    return signature;
  }
  UtcTime time(const char* name) {
    const auto parsed = parse_rfc3339(text(name));
    return parsed.ok() ? *parsed : refuse(UtcTime{});
  }
  EntityStatus status() {
    const std::string value = text("status");
    if (value == "active") return EntityStatus::kActive;
    if (value == "suspended") return EntityStatus::kSuspended;
    if (value == "gone") return EntityStatus::kGone;
    return refuse(EntityStatus::kGone);
  }
  // An array or object; an empty one where it is malformed.
  const Json& list(const char* name, Json::value_t type) {
    static const Json nothing;
    const auto found = object_.find(name);
    if (found == object_.end() || found->type() != type) return refuse(nothing);
    return *found;
  }
  bool has(const char* name) const { return object_.contains(name); }
  bool is_null(const char* name) const {
    const auto found = object_.find(name);
    return found != object_.end() && found->is_null();
  }
  template <typename T>
  const T& refuse(const T& value) {
    ok_ = false;
    return value;
  }
  bool ok() const { return ok_; }

 private:
  const Json& object_;
  bool ok_ = true;
};

StreamLine read_begin(FieldReader& in, bool is_snapshot) {
  StreamBegin begin;
  begin.is_snapshot = is_snapshot;
  begin.position = {in.raw_id("epoch"), in.number("number")};
  begin.from = {begin.position.epoch, is_snapshot ? begin.position.number : in.number("from")};
  begin.issued_at = in.time("issued_at");
  if (begin.from.number > begin.position.number) in.refuse(0);
  if (in.has("signature")) begin.signature = in.signature("signature");
  return begin;
}

void read_limits(FieldReader& in, const char* name, LimitScope scope, Limits& limits) {
  if (!in.has(name)) return;
  for (const auto& [field, value] : in.list(name, Json::value_t::object).items()) {
    if (!value.is_number_integer() || !set_limit(limits, scope, field, value.get<std::int64_t>()).ok()) in.refuse(0);
  }
}

StreamLine read_tenant(FieldReader& in) {
  TenantState tenant{in.id<TenantId>("id"), in.text("name"), in.status()};
  if (in.has("default_policy_id")) tenant.policies.fallback = in.id<PolicyId>("default_policy_id");
  if (in.has("group_policies")) {
    for (const Json& item : in.list("group_policies", Json::value_t::array)) {
      FieldReader attachment{item};
      const std::string group = attachment.text("group");
      tenant.policies.groups.emplace_back(group, attachment.id<PolicyId>("policy_id"));
      if (!attachment.ok()) in.refuse(0);
    }
    std::ranges::sort(tenant.policies.groups);
  }
  if (in.has("limits")) {
    FieldReader limits{in.list("limits", Json::value_t::object)};
    read_limits(limits, "total", LimitScope::kTenant, tenant.limits.total);
    read_limits(limits, "device", LimitScope::kDevice, tenant.limits.device);
    if (!limits.ok()) in.refuse(0);
  }
  return IdentityChange{std::move(tenant)};
}

// max_qos and max_payload of a rule or a grant, each of them only where it says something.
template <typename Rule>
void read_rule_limits(FieldReader& in, Rule& rule) {
  if (in.has("max_qos")) rule.max_qos = static_cast<std::uint8_t>(in.number_up_to("max_qos", kAnyQos));
  if (in.has("max_payload")) {
    rule.max_payload = static_cast<std::uint32_t>(in.number_up_to("max_payload", kAnyPayload));
  }
}

StreamLine read_issuer(FieldReader& in) {
  IssuerState issuer{in.id<IssuerId>("id"), in.id<TenantId>("tenant_id"), in.status(), in.hash("spki_sha256"), {}, {}};
  auto der = from_base64(in.text("certificate"));
  if (!der.ok()) in.refuse(0);
  if (der.ok()) issuer.certificate = std::move(der).value();
  if (in.has("external")) {
    auto external = from_base64(in.text("external"));
    if (!external.ok() || external->empty()) in.refuse(0);
    if (external.ok()) issuer.external = std::move(external).value();
  }
  return IdentityChange{std::move(issuer)};
}

StreamLine read_policy(FieldReader& in) {
  PolicyState policy{in.id<PolicyId>("id"), in.id<TenantId>("tenant_id"), in.status(), {}};
  for (const Json& item : in.list("rules", Json::value_t::array)) {
    FieldReader rule{item};
    const auto action = item.is_object() ? parse_policy_action(rule.text("action")) : std::nullopt;
    if (!action) {
      in.refuse(0);
      break;
    }
    policy.rules.push_back({*action, rule.text("filter")});
    read_rule_limits(rule, policy.rules.back());
    if (!rule.ok()) in.refuse(0);
  }
  read_limits(in, "limits", LimitScope::kDevice, policy.limits);
  return IdentityChange{std::move(policy)};
}

DeviceGrant read_grant(FieldReader& in) {
  DeviceGrant grant{in.id<DeviceId>("on"), in.text("device"), {}};
  for (const Json& item : in.list("actions", Json::value_t::array)) {
    const auto action = item.is_string() ? parse_policy_action(item.get<std::string>()) : std::nullopt;
    if (action) grant.rule.actions.add(*action);
    if (!action) in.refuse(0);
  }
  grant.rule.filter = in.text("filter");
  read_rule_limits(in, grant.rule);
  return grant;
}

StreamLine read_device(FieldReader& in) {
  DeviceState device{in.id<DeviceId>("id"), in.id<TenantId>("tenant_id"), in.text("name"), in.status(), {}, {}, {}};
  if (!in.is_null("policy_id")) device.policy_id = in.id<PolicyId>("policy_id");
  for (const Json& group : in.list("groups", Json::value_t::array)) {
    if (!group.is_string()) in.refuse(0);
    if (group.is_string()) device.groups.push_back(group.get<std::string>());
  }
  for (const auto& [name, value] : in.list("labels", Json::value_t::object).items()) {
    if (!value.is_string()) in.refuse(0);
    if (value.is_string()) device.labels.emplace_back(name, value.get<std::string>());
  }
  if (in.has("grants")) {
    for (const Json& item : in.list("grants", Json::value_t::array)) {
      FieldReader grant{item};
      device.grants.push_back(read_grant(grant));
      if (!grant.ok()) in.refuse(0);
    }
  }
  std::ranges::sort(device.groups);
  std::ranges::sort(device.labels);
  return IdentityChange{std::move(device)};
}

StreamLine read_certificate(FieldReader& in) {
  return IdentityChange{CertificateState{in.hash("id"), in.id<TenantId>("tenant_id"), in.id<DeviceId>("device_id"),
                                         in.id<IssuerId>("issuer_id"), in.status(), in.time("not_after")}};
}

std::optional<StreamLine> read_line(const std::string& type, FieldReader& in, const Json& object) {
  if (type == "begin") return read_begin(in, true);
  if (type == "changes-begin") return read_begin(in, false);
  if (type == "end") return StreamEnd{in.number("count"), object.contains("digest") ? in.text("digest") : ""};
  if (type == "tenant") return read_tenant(in);
  if (type == "issuer") return read_issuer(in);
  if (type == "policy") return read_policy(in);
  if (type == "device") return read_device(in);
  if (type == "certificate") return read_certificate(in);
  return std::nullopt;
}

Error malformed(std::string_view what) {
  return Error{ErrorCode::kCorrupt, "edge.stream_malformed", std::string{what.substr(0, 128)}};
}

}  // namespace

Result<StreamLine> parse_stream_line(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return malformed(line);
  FieldReader in{object};
  auto read = read_line(in.text("type"), in, object);
  if (!read || !in.ok()) return malformed(line);
  return std::move(*read);
}

Result<DigestAnswer> parse_digest_answer(std::string_view body) {
  const Json object = Json::parse(body, nullptr, false);
  if (!object.is_object()) return malformed(body);
  FieldReader in{object};
  DigestAnswer answer{{in.raw_id("epoch"), in.number("number")}, in.text("digest")};
  if (!in.ok()) return malformed(body);
  return answer;
}

}  // namespace muster::edge
