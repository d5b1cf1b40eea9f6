// SPDX-License-Identifier: Apache-2.0
#include "api/registry_view.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/edge_json.h"
#include "registry/anchor_lookup_store.h"
#include "registry/certificate_store.h"
#include "registry/issuer_store.h"
#include "registry/tenant_store.h"
#include "registry/trust_anchor_store.h"
#include "x509/certificate.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxAnchorTenants = 16;  // that anchor a CA of one name; more look the same from outside as none

// "Valid for ever": what ends is the device, the anchor and the certificate that is presented.
UtcTime never_ends() { return parse_rfc3339("9999-12-31T23:59:59Z").value(); }

edge::IssuerFacts facts_of(const edge::IssuerState& issuer) {
  return {issuer.id, issuer.tenant_id, issuer.status, issuer.spki_sha256, issuer.certificate, issuer.external};
}

}  // namespace

RegistryView::RegistryView(db::Transaction& tx, std::vector<TenantId> tenants, UtcTime now)
    : tx_(tx), tenants_(std::move(tenants)), now_(now) {}

bool RegistryView::sees(const TenantId& tenant) const {
  return tenants_.empty() || std::ranges::find(tenants_, tenant) != tenants_.end();
}

template <typename T>
std::optional<T> RegistryView::noted(Result<std::optional<T>> answer) const {
  if (answer.ok()) return std::move(answer).value();
  if (failure_.ok()) failure_ = answer.error();
  return std::nullopt;
}

Result<std::vector<registry::EntityFacts>> RegistryView::load(registry::EntityKind kind, const TenantId& tenant,
                                                              BytesView id) const {
  const registry::ChangeRecord wanted{0, kind, tenant, Bytes(id.begin(), id.end())};
  return registry::load_changed(tx_, std::span{&wanted, 1});
}

Result<void> RegistryView::add_issuers(std::span<const registry::ChangeRecord> wanted) {
  MUSTER_TRY(const auto loaded, registry::load_changed(tx_, wanted));
  for (const registry::EntityFacts& facts : loaded) {
    if (const auto* issuer = std::get_if<registry::IssuerFacts>(&facts)) issuers_.push_back(to_edge_issuer(*issuer));
    if (const auto* anchor = std::get_if<registry::TrustAnchorFacts>(&facts)) {
      issuers_.push_back(to_edge_issuer(*anchor));
    }
  }
  return {};
}

Result<void> RegistryView::load_issuers_for(BytesView certificate) {
  MUSTER_TRY(const auto parsed, x509::Certificate::parse_der(certificate));
  MUSTER_TRY(const auto row, registry::find_certificate(tx_, parsed.id(), now_));
  if (!row || !sees(row->tenant_id)) return load_anchors_called(parsed.issuer());
  return load_issuers_of(row->tenant_id);
}

Result<void> RegistryView::load_issuers_of(const TenantId& tenant) {
  MUSTER_TRY_VOID(tx_.enter(db::Scope::of_tenant(tenant)));
  MUSTER_TRY(const auto rows, registry::list_issuers(tx_, tenant));
  MUSTER_TRY_VOID(tx_.enter(db::Scope::system()));
  std::vector<registry::ChangeRecord> wanted;
  for (const registry::Issuer& row : rows) {
    wanted.push_back({0, registry::EntityKind::kIssuer, tenant, Bytes(row.id.octets().begin(), row.id.octets().end())});
  }
  return add_issuers(wanted);
}

Result<void> RegistryView::load_anchors_called(BytesView issuer_name) {
  const std::array<Bytes, 1> names = {Bytes(issuer_name.begin(), issuer_name.end())};
  MUSTER_TRY(const auto tenants, registry::find_anchor_tenants(tx_, names, kMaxAnchorTenants));
  for (const TenantId& tenant : tenants) {
    if (!sees(tenant)) continue;
    MUSTER_TRY_VOID(tx_.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(const auto rows, registry::list_trust_anchors(tx_, tenant));
    MUSTER_TRY_VOID(tx_.enter(db::Scope::system()));
    std::vector<registry::ChangeRecord> wanted;
    for (const auto& row : rows) {
      wanted.push_back(
          {0, registry::EntityKind::kTrustAnchor, tenant, Bytes(row.id.octets().begin(), row.id.octets().end())});
    }
    MUSTER_TRY_VOID(add_issuers(wanted));
    anchored_.insert(tenant);
  }
  return {};
}

Result<std::optional<edge::CertificateFacts>> RegistryView::read_certificate(const Sha256& id) const {
  using Found = std::optional<edge::CertificateFacts>;
  MUSTER_TRY(const auto row, registry::find_certificate(tx_, id, now_));
  if (!row) return read_credential(id);
  if (!sees(row->tenant_id)) return Found{};
  const bool revoked = row->status == registry::CertificateStatus::kRevoked;
  return Found{edge::CertificateFacts{row->tenant_id, row->device_id, row->issuer_id,
                                      revoked ? edge::EntityStatus::kGone : edge::EntityStatus::kActive,
                                      row->not_after}};
}

Result<std::optional<edge::CertificateFacts>> RegistryView::read_credential(const Sha256& id) const {
  using Found = std::optional<edge::CertificateFacts>;
  for (const TenantId& tenant : anchored_) {
    MUSTER_TRY_VOID(tx_.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(const auto credential, registry::find_credential(tx_, tenant, id));
    MUSTER_TRY_VOID(tx_.enter(db::Scope::system()));
    if (!credential) continue;
    return Found{edge::CertificateFacts{credential->tenant_id, credential->device_id, credential->anchor_id,
                                        edge::EntityStatus::kActive, never_ends()}};
  }
  return Found{};
}

std::optional<edge::CertificateFacts> RegistryView::find_certificate(const Sha256& id) const {
  auto known = certificates_.find(id);
  if (known == certificates_.end()) known = certificates_.emplace(id, noted(read_certificate(id))).first;
  if (known->second) tenants_of_.insert_or_assign(known->second->device_id, known->second->tenant_id);
  return known->second;
}

Result<Policy> RegistryView::read_policy(const TenantId& tenant, const PolicyId& id) const {
  if (id.is_nil()) return Policy::compile(default_policy_rules());
  MUSTER_TRY(const auto loaded, load(registry::EntityKind::kPolicy, tenant, id.octets()));
  for (const auto& facts : loaded) {
    const auto* policy = std::get_if<registry::PolicyFacts>(&facts);
    if (policy && policy->standing == registry::Standing::kActive) {
      return Policy::compile_stored(policy->rules, policy->limits);
    }
  }
  return Policy::compile({});
}

Result<std::unique_ptr<RegistryView::HeldDevice>> RegistryView::read_device(const TenantId& tenant,
                                                                            const DeviceId& id) const {
  using Found = std::unique_ptr<HeldDevice>;
  MUSTER_TRY(const auto loaded, load(registry::EntityKind::kDevice, tenant, id.octets()));
  const auto* facts = loaded.empty() ? nullptr : std::get_if<registry::DeviceFacts>(&loaded.front());
  if (!facts) return Found{};
  edge::DeviceState state;
  state.id = facts->id;
  state.tenant_id = facts->tenant_id;
  state.name = facts->name;
  state.status = to_edge_status(facts->standing);
  state.groups = facts->groups;
  state.labels = facts->labels;
  std::ranges::sort(state.groups);
  std::ranges::sort(state.labels);
  for (const registry::GrantFacts& grant : facts->grants) state.grants.push_back({grant.on, grant.device, grant.rule});
  const std::vector<std::string_view> groups(state.groups.begin(), state.groups.end());
  const auto owner = find_tenant(tenant);
  const PolicyAttachments attachments = owner && owner->policies ? *owner->policies : PolicyAttachments{};
  MUSTER_TRY(Policy policy, read_policy(tenant, policy_in_force(facts->policy_id, groups, attachments).id));
  auto held = std::make_unique<HeldDevice>(HeldDevice{std::move(state), std::move(policy), {}, {}});
  held->groups.assign(held->state.groups.begin(), held->state.groups.end());
  held->labels.assign(held->state.labels.begin(), held->state.labels.end());
  return held;
}

std::optional<edge::DeviceFacts> RegistryView::find_device(const DeviceId& id) const {
  const auto tenant = tenants_of_.find(id);
  if (tenant == tenants_of_.end() || !sees(tenant->second)) return std::nullopt;
  auto known = devices_.find(id);
  if (known == devices_.end()) {
    auto read = read_device(tenant->second, id);
    if (!read.ok() && failure_.ok()) failure_ = read.error();
    known = devices_.emplace(id, read.ok() ? std::move(read).value() : nullptr).first;
  }
  if (!known->second) return std::nullopt;
  const HeldDevice& held = *known->second;
  edge::DeviceFacts facts{};
  facts.id = held.state.id;
  facts.tenant_id = held.state.tenant_id;
  facts.name = held.state.name;
  facts.status = held.state.status;
  facts.policy = &held.policy;
  facts.groups = held.groups;
  facts.labels = held.labels;
  for (const auto& [on, device, rule] : held.state.grants) {
    facts.grants.push_back({on, device, rule.actions, rule.max_qos, rule.max_payload, rule.filter});
    tenants_of_.emplace(on, held.state.tenant_id);  // where to look when somebody asks whether it is still there
  }
  return facts;
}

std::optional<edge::TenantFacts> RegistryView::find_tenant(const TenantId& id) const {
  if (!sees(id)) return std::nullopt;
  auto known = tenants_read_.find(id);
  if (known == tenants_read_.end()) {
    const auto read = [&]() -> Result<std::optional<edge::TenantState>> {
      MUSTER_TRY(const auto loaded, load(registry::EntityKind::kTenant, id, id.octets()));
      const auto* facts = loaded.empty() ? nullptr : std::get_if<registry::TenantFacts>(&loaded.front());
      if (!facts) return std::optional<edge::TenantState>{};
      edge::TenantState state;
      state.id = facts->id;
      state.name = facts->name;
      state.status = to_edge_status(facts->standing);
      state.policies = facts->policies;
      return std::optional{std::move(state)};
    };
    known = tenants_read_.emplace(id, noted(read())).first;
  }
  if (!known->second) return std::nullopt;
  edge::TenantFacts facts{};
  facts.id = known->second->id;
  facts.name = known->second->name;
  facts.status = known->second->status;
  facts.policies = &known->second->policies;
  return facts;
}

std::optional<edge::TenantFacts> RegistryView::find_tenant_by_name(std::string_view name) const {
  const auto parsed = TenantName::parse(name);
  if (!parsed.ok()) return std::nullopt;
  const auto tenant = noted(registry::find_tenant(tx_, *parsed));
  return tenant ? find_tenant(tenant->id) : std::nullopt;
}

std::vector<edge::IssuerFacts> RegistryView::find_issuers_by_key(const Sha256& spki_sha256) const {
  std::vector<edge::IssuerFacts> found;
  for (const auto& issuer : issuers_) {
    if (issuer.spki_sha256 == spki_sha256) found.push_back(facts_of(issuer));
  }
  return found;
}

std::vector<edge::IssuerFacts> RegistryView::issuers() const {
  std::vector<edge::IssuerFacts> all;
  for (const auto& issuer : issuers_) all.push_back(facts_of(issuer));
  return all;
}

}  // namespace muster::api
