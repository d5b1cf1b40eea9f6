// SPDX-License-Identifier: Apache-2.0
#include "edge/change_layer.h"

namespace muster::edge {

ChangeLayer::ChangeLayer(std::span<const IdentityChange> changes) {
  for (const IdentityChange& change : changes) {
    std::visit([this](const auto& state) { put(state); }, change);
  }
}

ChangeLayer::ChangeLayer(const ChangeLayer& older, const ChangeLayer& newer) : ChangeLayer(older) {
  for (const auto& [id, state] : newer.tenants_) tenants_.insert_or_assign(id, state);
  for (const auto& [id, state] : newer.issuers_) issuers_.insert_or_assign(id, state);
  for (const auto& [id, policy] : newer.policies_) policies_.insert_or_assign(id, policy);
  for (const auto& [id, state] : newer.devices_) devices_.insert_or_assign(id, state);
  for (const auto& [id, state] : newer.certificates_) certificates_.insert_or_assign(id, state);
}

void ChangeLayer::put(const PolicyState& state) {
  CompiledPolicy policy{state, {state.tenant_id, state.status, nullptr}};
  if (state.status == EntityStatus::kActive) {
    policy.held.compiled = std::make_shared<const Policy>(Policy::compile_stored(state.rules, state.limits));
  }
  policies_.insert_or_assign(state.id, std::move(policy));
}

const PolicyState* ChangeLayer::find(const PolicyId& id) const {
  const CompiledPolicy* policy = find_in(policies_, id);
  return policy == nullptr ? nullptr : &policy->state;
}

const HeldPolicy* ChangeLayer::find_compiled(const PolicyId& id) const {
  const CompiledPolicy* policy = find_in(policies_, id);
  return policy == nullptr ? nullptr : &policy->held;
}

// Tenants and issuers are few beside devices, and a layer holds only the changed ones: no index by name or key.
std::vector<TenantId> ChangeLayer::tenants_named(std::string_view name) const {
  std::vector<TenantId> ids;
  for (const auto& [id, state] : tenants_) {
    if (state.name == name) ids.push_back(id);
  }
  return ids;
}

std::vector<IssuerId> ChangeLayer::issuers_with_key(const Sha256& spki_sha256) const {
  std::vector<IssuerId> ids;
  for (const auto& [id, state] : issuers_) {
    if (state.spki_sha256 == spki_sha256) ids.push_back(id);
  }
  return ids;
}

std::vector<IssuerId> ChangeLayer::issuer_ids() const {
  std::vector<IssuerId> ids;
  for (const auto& [id, state] : issuers_) ids.push_back(id);
  return ids;
}

std::size_t ChangeLayer::size() const {
  return tenants_.size() + issuers_.size() + policies_.size() + devices_.size() + certificates_.size();
}

}  // namespace muster::edge
