// SPDX-License-Identifier: Apache-2.0
#include "edge/entity_codec.h"

#include <limits>

#include "edge/external_trust.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

enum class EntityKind : std::uint8_t { kTenant = 1, kIssuer = 2, kPolicy = 3, kDevice = 4, kCertificate = 5 };

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
  return append_rules(out, policy.rules);
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
  auto rules = read_rules(in.rest());
  if (!in.ok() || !is_status(status) || !rules) return kBroken;
  policy.status = static_cast<EntityStatus>(status);
  policy.rules = std::move(*rules);
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

Result<void> append_rules(Bytes& out, const std::vector<PolicyRule>& rules) {
  WireWriter w{out};
  w.count16(rules.size());
  for (const PolicyRule& rule : rules) {
    w.u8(static_cast<std::uint8_t>(rule.action));
    w.text16(rule.filter);
  }
  if (!w.fits()) return kTooLarge;
  return {};
}

std::optional<std::vector<PolicyRule>> read_rules(BytesView bytes) {
  WireReader in{bytes};
  std::vector<PolicyRule> rules;
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const std::uint8_t action = in.u8();
    if (action != 1 && action != 2) return std::nullopt;
    rules.push_back({static_cast<PolicyAction>(action), std::string{in.text16()}});
  }
  if (!in.ok()) return std::nullopt;
  return rules;
}

Result<void> append_attributes(Bytes& out, const DeviceState& device) {
  if (device.groups.empty() && device.labels.empty()) return {};
  WireWriter w{out};
  w.count16(device.groups.size());
  for (const std::string& group : device.groups) w.text16(group);
  w.count16(device.labels.size());
  for (const auto& [name, value] : device.labels) {
    w.text16(name);
    w.text16(value);
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
  return view;
}

}  // namespace muster::edge
