// SPDX-License-Identifier: Apache-2.0
#include "edge/entity_codec.h"

#include <algorithm>
#include <limits>

#include "edge/external_trust.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

enum class EntityKind : std::uint8_t { kTenant = 1, kIssuer = 2, kPolicy = 3, kDevice = 4, kCertificate = 5 };

// In a rule's first octet, beside the action: its limits follow. Who does not know it reads no rule of the policy.
constexpr std::uint8_t kLimitedRule = 0x80;

enum class TenantPart : std::uint8_t { kPolicies = 1, kLimits = 2 };

const Error kTooLarge{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "an entity has a field over its width"};
const Error kBroken{ErrorCode::kCorrupt, "snapshot.corrupt", "an entity's body is broken"};

template <typename IdType>
IdType take_id(WireReader& in) {
  return IdType{RawId{in.array<16>()}};
}

bool is_status(std::uint8_t value) { return value >= 1 && value <= 3; }

Result<void> append_body(Bytes& out, const TenantState& tenant) {
  WireWriter w{out};
  w.octets(tenant.id.octets());
  w.u8(static_cast<std::uint8_t>(tenant.status));
  w.text16(tenant.name);
  if (!w.fits()) return kTooLarge;
  Bytes attributes;
  MUSTER_TRY_VOID(append_tenant_attributes(attributes, tenant));
  w.u32(static_cast<std::uint32_t>(attributes.size()));
  w.octets(attributes);
  return {};
}

Result<void> append_body(Bytes& out, const IssuerState& issuer) {
  if (issuer.certificate.size() > std::numeric_limits<std::uint16_t>::max()) return kTooLarge;
  WireWriter w{out};
  w.octets(issuer.id.octets());
  w.octets(issuer.tenant_id.octets());
  w.u8(static_cast<std::uint8_t>(issuer.status));
  w.octets(issuer.spki_sha256);
  w.text16(as_text(issuer.certificate));
  if (issuer.external.empty()) return {};
  if (issuer.external.size() > kMaxExternalTrust) return kTooLarge;
  w.u32(static_cast<std::uint32_t>(issuer.external.size()));
  w.octets(issuer.external);
  return {};
}

Result<void> append_body(Bytes& out, const PolicyState& policy) {
  WireWriter w{out};
  w.octets(policy.id.octets());
  w.octets(policy.tenant_id.octets());
  w.u8(static_cast<std::uint8_t>(policy.status));
  return append_policy_body(out, policy.rules, policy.limits);
}

Result<void> append_body(Bytes& out, const DeviceState& device) {
  WireWriter w{out};
  w.octets(device.id.octets());
  w.octets(device.tenant_id.octets());
  w.u8(static_cast<std::uint8_t>(device.status));
  w.octets(device.policy_id.octets());
  w.text16(device.name);
  if (!w.fits()) return kTooLarge;
  Bytes attributes;
  MUSTER_TRY_VOID(append_attributes(attributes, device));
  w.u32(static_cast<std::uint32_t>(attributes.size()));
  w.octets(attributes);
  return {};
}

Result<void> append_body(Bytes& out, const CertificateState& certificate) {
  WireWriter w{out};
  w.octets(certificate.id);
  w.octets(certificate.tenant_id.octets());
  w.octets(certificate.device_id.octets());
  w.octets(certificate.issuer_id.octets());
  w.u8(static_cast<std::uint8_t>(certificate.status));
  w.i64(certificate.not_after.time_since_epoch().count());
  return {};
}

Result<IdentityChange> take_tenant(WireReader in) {
  TenantState tenant;
  tenant.id = take_id<TenantId>(in);
  const std::uint8_t status = in.u8();
  tenant.name = in.text16();
  if (in.ok() && !in.rest().empty()) {
    auto attributes = read_tenant_attributes(in.octets(in.u32()));
    if (!attributes) return kBroken;
    tenant.policies = std::move(attributes->policies);
    tenant.limits = attributes->limits;
  }
  if (!in.ok() || !is_status(status)) return kBroken;
  tenant.status = static_cast<EntityStatus>(status);
  return IdentityChange{std::move(tenant)};
}

Result<IdentityChange> take_issuer(WireReader in) {
  IssuerState issuer;
  issuer.id = take_id<IssuerId>(in);
  issuer.tenant_id = take_id<TenantId>(in);
  const std::uint8_t status = in.u8();
  issuer.spki_sha256 = in.array<32>();
  issuer.certificate = to_bytes(in.text16());
  if (in.ok() && !in.rest().empty()) {
    const BytesView external = in.octets(in.u32());
    issuer.external.assign(external.begin(), external.end());
  }
  if (!in.ok() || !is_status(status)) return kBroken;
  issuer.status = static_cast<EntityStatus>(status);
  return IdentityChange{std::move(issuer)};
}

Result<IdentityChange> take_policy(WireReader in) {
  PolicyState policy;
  policy.id = take_id<PolicyId>(in);
  policy.tenant_id = take_id<TenantId>(in);
  const std::uint8_t status = in.u8();
  auto policy_body = read_policy_body(in.rest());
  if (!in.ok() || !is_status(status) || !policy_body) return kBroken;
  policy.status = static_cast<EntityStatus>(status);
  policy.rules = std::move(policy_body->rules);
  policy.limits = policy_body->limits;
  return IdentityChange{std::move(policy)};
}

Result<IdentityChange> take_device(WireReader in) {
  DeviceState device;
  device.id = take_id<DeviceId>(in);
  device.tenant_id = take_id<TenantId>(in);
  const std::uint8_t status = in.u8();
  device.policy_id = take_id<PolicyId>(in);
  device.name = in.text16();
  const auto attributes = read_attributes(in.octets(in.u32()));
  if (!in.ok() || !is_status(status) || !attributes) return kBroken;
  device.status = static_cast<EntityStatus>(status);
  device.groups.assign(attributes->groups.begin(), attributes->groups.end());
  for (const auto& [name, value] : attributes->labels) device.labels.emplace_back(name, value);
  for (const GrantFacts& grant : attributes->grants) device.grants.push_back(to_state(grant));
  return IdentityChange{std::move(device)};
}

Result<IdentityChange> take_certificate(WireReader in) {
  CertificateState certificate;
  certificate.id = in.array<32>();
  certificate.tenant_id = take_id<TenantId>(in);
  certificate.device_id = take_id<DeviceId>(in);
  certificate.issuer_id = take_id<IssuerId>(in);
  const std::uint8_t status = in.u8();
  certificate.not_after = UtcTime{std::chrono::seconds{in.i64()}};
  if (!in.ok() || !is_status(status)) return kBroken;
  certificate.status = static_cast<EntityStatus>(status);
  return IdentityChange{certificate};
}

}  // namespace

Result<void> append_entity(Bytes& out, const IdentityChange& entity) {
  Bytes body;
  const auto appended = std::visit([&](const auto& state) { return append_body(body, state); }, entity);
  if (!appended.ok()) return appended.error();
  WireWriter w{out};
  w.u8(static_cast<std::uint8_t>(entity.index() + 1));  // IdentityChange lists its types in EntityKind's order
  w.u32(static_cast<std::uint32_t>(body.size()));
  w.octets(body);
  return {};
}

Result<IdentityChange> take_entity(BytesView& bytes) {
  WireReader in{bytes};
  const std::uint8_t kind = in.u8();
  const WireReader body{in.octets(in.u32())};
  if (!in.ok()) return kBroken;
  bytes = in.rest();
  switch (static_cast<EntityKind>(kind)) {
    case EntityKind::kTenant: return take_tenant(body);
    case EntityKind::kIssuer: return take_issuer(body);
    case EntityKind::kPolicy: return take_policy(body);
    case EntityKind::kDevice: return take_device(body);
    case EntityKind::kCertificate: return take_certificate(body);
  }
  return kBroken;  // what it is we cannot know, and it might take a right away
}

Result<void> append_policy_body(Bytes& out, const std::vector<PolicyRule>& rules, const Limits& limits) {
  WireWriter w{out};
  w.count16(rules.size());
  for (const PolicyRule& rule : rules) {
    const bool limited = rule.max_qos != kAnyQos || rule.max_payload != kAnyPayload;
    w.u8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(rule.action) | (limited ? kLimitedRule : 0)));
    w.text16(rule.filter);
    if (!limited) continue;
    w.u8(rule.max_qos);
    w.u32(rule.max_payload);
  }
  if (!w.fits()) return kTooLarge;
  const Bytes encoded = encode(limits);
  if (encoded.empty()) return {};
  w.count16(encoded.size());
  w.octets(encoded);
  return {};
}

std::optional<PolicyBody> read_policy_body(BytesView bytes) {
  WireReader in{bytes};
  PolicyBody body;
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const std::uint8_t first = in.u8();
    const std::uint8_t action = first & ~kLimitedRule;
    if (action < 1 || action > kPolicyActions.size()) return std::nullopt;
    PolicyRule rule{static_cast<PolicyAction>(action), std::string{in.text16()}};
    if ((first & kLimitedRule) != 0) {
      rule.max_qos = in.u8();
      rule.max_payload = in.u32();
    }
    body.rules.push_back(std::move(rule));
  }
  if (in.ok() && !in.rest().empty()) {
    const auto limits = decode_limits(in.octets(in.u16()));
    if (!limits) return std::nullopt;
    body.limits = *limits;
  }
  if (!in.ok()) return std::nullopt;
  return body;
}

namespace {

void append_part(Bytes& out, TenantPart part, const Bytes& body) {
  WireWriter w{out};
  w.u8(static_cast<std::uint8_t>(part));
  w.u32(static_cast<std::uint32_t>(body.size()));
  w.octets(body);
}

bool read_attachments(WireReader in, PolicyAttachments& policies) {
  policies.fallback = take_id<PolicyId>(in);
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    std::string group{in.text16()};
    policies.groups.emplace_back(std::move(group), take_id<PolicyId>(in));
  }
  return in.ok() && std::ranges::is_sorted(policies.groups, {}, &std::pair<std::string, PolicyId>::first);
}

}  // namespace

Result<void> append_tenant_attributes(Bytes& out, const TenantState& tenant) {
  if (!tenant.policies.empty()) {
    Bytes part;
    WireWriter policies{part};
    policies.octets(tenant.policies.fallback.octets());
    policies.count16(tenant.policies.groups.size());
    for (const auto& [group, policy] : tenant.policies.groups) {
      policies.text16(group);
      policies.octets(policy.octets());
    }
    if (!policies.fits()) return kTooLarge;
    append_part(out, TenantPart::kPolicies, part);
  }
  if (tenant.limits != TenantLimits{}) append_part(out, TenantPart::kLimits, encode(tenant.limits));
  return {};
}

std::optional<TenantAttributes> read_tenant_attributes(BytesView bytes) {
  TenantAttributes attributes;
  WireReader in{bytes};
  while (in.ok() && !in.rest().empty()) {
    const std::uint8_t part = in.u8();
    const BytesView body = in.octets(in.u32());
    if (!in.ok()) return std::nullopt;
    if (part == static_cast<std::uint8_t>(TenantPart::kPolicies)) {
      if (!read_attachments(WireReader{body}, attributes.policies)) return std::nullopt;
    } else if (part == static_cast<std::uint8_t>(TenantPart::kLimits)) {
      const auto limits = decode_tenant_limits(body);
      if (!limits) return std::nullopt;
      attributes.limits = *limits;
    } else {
      return std::nullopt;
    }
  }
  if (!in.ok()) return std::nullopt;
  return attributes;
}

DeviceGrant to_state(const GrantFacts& grant) {
  return {grant.on,
          std::string{grant.device},
          {grant.actions, std::string{grant.filter}, grant.max_qos, grant.max_payload}};
}

Result<void> append_attributes(Bytes& out, const DeviceState& device) {
  if (device.groups.empty() && device.labels.empty() && device.grants.empty()) return {};
  WireWriter w{out};
  w.count16(device.groups.size());
  for (const std::string& group : device.groups) w.text16(group);
  w.count16(device.labels.size());
  for (const auto& [name, value] : device.labels) {
    w.text16(name);
    w.text16(value);
  }
  if (!device.grants.empty()) w.count16(device.grants.size());
  for (const DeviceGrant& grant : device.grants) {
    w.octets(grant.on.octets());
    w.text16(grant.device);
    w.u8(grant.rule.actions.bits());
    w.u8(grant.rule.max_qos);
    w.u32(grant.rule.max_payload);
    w.text16(grant.rule.filter);
  }
  if (!w.fits()) return kTooLarge;
  return {};
}

std::optional<DeviceAttributesView> read_attributes(BytesView bytes) {
  DeviceAttributesView view;
  if (bytes.empty()) return view;
  WireReader in{bytes};
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) view.groups.push_back(in.text16());
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const std::string_view name = in.text16();
    view.labels.emplace_back(name, in.text16());
  }
  if (!in.ok()) return std::nullopt;
  if (in.rest().empty()) return view;
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const auto on = take_id<DeviceId>(in);
    const std::string_view device = in.text16();
    const PolicyActions actions{in.u8()};
    const std::uint8_t max_qos = in.u8();
    const std::uint32_t max_payload = in.u32();
    view.grants.push_back({on, device, actions, max_qos, max_payload, in.text16()});
  }
  if (!in.ok()) return std::nullopt;
  return view;
}

}  // namespace muster::edge
