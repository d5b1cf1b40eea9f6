// SPDX-License-Identifier: Apache-2.0
#include "api/edge_json.h"

#include <algorithm>
#include <optional>

#include "api/json_writer.h"
#include "core/encoding.h"
#include "edge/external_trust.h"
#include "x509/external_chain.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

std::string_view status_text(registry::Standing standing) {
  switch (standing) {
    case registry::Standing::kActive: return "active";
    case registry::Standing::kSuspended: return "suspended";
    case registry::Standing::kGone: return "gone";
  }
  return "gone";
}

std::string id_text(const PolicyId& id) { return id.is_nil() ? std::string{} : id.text(); }

std::vector<x509::RevocationKey> revoked_keys(const registry::TrustAnchorFacts& facts) {
  std::vector<x509::RevocationKey> keys;
  for (std::size_t at = 0; at + 16 <= facts.revoked.size(); at += 16) {
    x509::RevocationKey key;
    std::copy_n(facts.revoked.begin() + static_cast<std::ptrdiff_t>(at), key.size(), key.begin());
    keys.push_back(key);
  }
  for (const Sha256& certificate : facts.revoked_certificates) keys.push_back(x509::revocation_key(certificate));
  std::ranges::sort(keys);
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  return keys;
}

// Rules that do not fit the format would be rules that edges do not have: they get none that they can read, and refuse.
Bytes external_trust_of(const registry::TrustAnchorFacts& facts) {
  edge::ExternalTrust trust;
  trust.source = facts.source;
  trust.prefix = facts.prefix;
  trust.reports_unknown = facts.registers_devices;
  const auto rule = facts.fail_closed ? x509::ExpiredCrl::kFailClosed : x509::ExpiredCrl::kLastKnownGood;
  trust.expired_crl = static_cast<std::uint8_t>(facts.uses_crls ? rule : x509::ExpiredCrl::kNotUsed);
  trust.intermediates = facts.intermediates;
  for (const auto& crl : facts.crls) trust.crls.push_back({crl.issuer_key, crl.next_update});
  trust.revoked = revoked_keys(facts);
  auto encoded = edge::encode_external_trust(trust);
  return encoded.ok() ? std::move(encoded).value() : Bytes{0};
}

struct LineWriter {
  JsonWriter& out;

  void operator()(const registry::TenantFacts& facts) const {
    out.field("type", "tenant")
        .field("id", facts.id.text())
        .field("name", facts.name)
        .field("status", status_text(facts.standing));
    if (!facts.policies.fallback.is_nil()) out.field("default_policy_id", facts.policies.fallback.text());
    if (!facts.policies.groups.empty()) {
      out.key("group_policies").array([&] {
        for (const auto& [group, policy] : facts.policies.groups) {
          out.object([&] { out.field("group", group).field("policy_id", policy.text()); });
        }
      });
    }
    if (facts.limits != TenantLimits{}) out.key("limits").raw(to_json_text(facts.limits));
  }
  void operator()(const registry::IssuerFacts& facts) const {
    out.field("type", "issuer")
        .field("id", facts.id.text())
        .field("tenant_id", facts.tenant_id.text())
        .field("status", status_text(facts.standing))
        .field("spki_sha256", to_hex(facts.spki_sha256))
        .field("certificate", to_base64(facts.certificate));
  }
  void operator()(const registry::TrustAnchorFacts& facts) const {
    out.field("type", "issuer")
        .field("id", facts.id.text())
        .field("tenant_id", facts.tenant_id.text())
        .field("status", status_text(facts.standing))
        .field("spki_sha256", to_hex(facts.spki_sha256))
        .field("certificate", to_base64(facts.certificate))
        .field("external", to_base64(external_trust_of(facts)));
  }
  // "Valid for ever": what ends is the device, the anchor and the certificate that is presented.
  void operator()(const registry::ExternalCredentialFacts& facts) const {
    out.field("type", "certificate")
        .field("id", to_hex(facts.id))
        .field("tenant_id", facts.tenant_id.text())
        .field("device_id", facts.device_id.text())
        .field("issuer_id", facts.anchor_id.text())
        .field("status", status_text(facts.standing))
        .field("not_after", "9999-12-31T23:59:59Z");
  }
  void operator()(const registry::PolicyFacts& facts) const {
    out.field("type", "policy")
        .field("id", facts.id.text())
        .field("tenant_id", facts.tenant_id.text())
        .field("status", status_text(facts.standing));
    out.key("rules").array([&] {
      for (const PolicyRule& rule : facts.rules) {
        out.object([&] {
          out.field("action", to_string(rule.action)).field("filter", rule.filter);
          write_limits(rule.max_qos, rule.max_payload);
        });
      }
    });
    if (facts.limits != Limits{}) out.key("limits").raw(to_json_text(facts.limits));
  }
  void write_limits(std::uint8_t max_qos, std::uint32_t max_payload) const {
    if (max_qos != kAnyQos) out.field("max_qos", max_qos);
    if (max_payload != kAnyPayload) out.field("max_payload", max_payload);
  }
  void write_grant(const registry::GrantFacts& grant) const {
    out.object([&] {
      out.field("on", grant.on.text()).field("device", grant.device);
      out.key("actions").array([&] {
        for (const PolicyAction action : kPolicyActions) {
          if (grant.rule.actions.has(action)) out.value(to_string(action));
        }
      });
      out.field("filter", grant.rule.filter);
      write_limits(grant.rule.max_qos, grant.rule.max_payload);
    });
  }
  void operator()(const registry::DeviceFacts& facts) const {
    out.field("type", "device")
        .field("id", facts.id.text())
        .field("tenant_id", facts.tenant_id.text())
        .field("name", facts.name)
        .field("status", status_text(facts.standing))
        .nullable("policy_id", id_text(facts.policy_id));
    out.key("groups").array([&] {
      for (const std::string& group : facts.groups) out.value(group);
    });
    out.key("labels").object([&] {
      for (const auto& [name, value] : facts.labels) out.field(name, value);
    });
    if (facts.grants.empty()) return;
    out.key("grants").array([&] {
      for (const registry::GrantFacts& grant : facts.grants) write_grant(grant);
    });
  }
  void operator()(const registry::CertificateFacts& facts) const {
    out.field("type", "certificate")
        .field("id", to_hex(facts.id))
        .field("tenant_id", facts.tenant_id.text())
        .field("device_id", facts.device_id.text())
        .field("issuer_id", facts.issuer_id.text())
        .field("status", status_text(facts.standing))
        .field("not_after", to_rfc3339(facts.not_after));
  }
};

// As edge::held_form; nullopt: edges hold all of it.
std::optional<registry::EntityFacts> held_form(const registry::EntityFacts& facts) {
  const auto forget_half = [](Sha256& id) { std::fill(id.begin() + id.size() / 2, id.end(), std::uint8_t{0}); };
  if (const auto* device = std::get_if<registry::DeviceFacts>(&facts)) {
    registry::DeviceFacts held = *device;
    held.name.clear();
    return held;
  }
  if (const auto* certificate = std::get_if<registry::CertificateFacts>(&facts)) {
    registry::CertificateFacts held = *certificate;
    forget_half(held.id);
    return held;
  }
  if (const auto* credential = std::get_if<registry::ExternalCredentialFacts>(&facts)) {
    registry::ExternalCredentialFacts held = *credential;
    forget_half(held.id);
    return held;
  }
  return std::nullopt;
}

void add_heartbeat(JsonWriter& out, const HeartbeatFacts& heartbeat) {
  out.field("issued_at", to_rfc3339(heartbeat.issued_at));
  if (!heartbeat.signature.empty()) out.field("signature", to_base64(heartbeat.signature));
}

}  // namespace

std::string entity_line(const registry::EntityFacts& facts) {
  JsonWriter out;
  out.object([&] { std::visit(LineWriter{out}, facts); });
  return out.take();
}

edge::EntityStatus to_edge_status(registry::Standing standing) {
  switch (standing) {
    case registry::Standing::kActive: return edge::EntityStatus::kActive;
    case registry::Standing::kSuspended: return edge::EntityStatus::kSuspended;
    case registry::Standing::kGone: return edge::EntityStatus::kGone;
  }
  return edge::EntityStatus::kGone;
}

edge::IssuerState to_edge_issuer(const registry::IssuerFacts& facts) {
  return {facts.id, facts.tenant_id, to_edge_status(facts.standing), facts.spki_sha256, facts.certificate, {}};
}

edge::IssuerState to_edge_issuer(const registry::TrustAnchorFacts& facts) {
  return {facts.id,          facts.tenant_id,   to_edge_status(facts.standing),
          facts.spki_sha256, facts.certificate, external_trust_of(facts)};
}

void StateDigest::add(const registry::EntityFacts& facts) {
  const auto held = held_form(facts);
  const Sha256 hash = x509::sha256(as_bytes(entity_line(held ? *held : facts)));
  for (std::size_t i = 0; i < hash.size(); ++i) value_[i] ^= hash[i];
}

std::string StateDigest::hex() const { return to_hex(value_); }

std::string snapshot_begin(const registry::ChangePosition& position, const HeartbeatFacts& heartbeat) {
  JsonWriter out;
  out.object([&] {
    out.field("type", "begin").field("epoch", to_uuid_text(position.epoch)).field("number", position.number);
    add_heartbeat(out, heartbeat);
  });
  return out.take();
}

std::string changes_begin(const registry::ChangePosition& from, std::uint64_t to, const HeartbeatFacts& heartbeat) {
  JsonWriter out;
  out.object([&] {
    out.field("type", "changes-begin")
        .field("epoch", to_uuid_text(from.epoch))
        .field("from", from.number)
        .field("number", to);
    add_heartbeat(out, heartbeat);
  });
  return out.take();
}

std::string stream_end(std::uint64_t count, std::string_view digest) {
  JsonWriter out;
  out.object([&] {
    out.field("type", "end").field("count", count);
    if (!digest.empty()) out.field("digest", digest);
  });
  return out.take();
}

}  // namespace muster::api
