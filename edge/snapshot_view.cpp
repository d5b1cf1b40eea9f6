// SPDX-License-Identifier: Apache-2.0
#include "edge/snapshot_view.h"

#include <algorithm>
#include <ranges>

#include "edge/base_file.h"
#include "edge/change_layer.h"

namespace muster::edge {
namespace {

const Policy& policy_that_allows_nothing() {
  static const Policy policy = Policy::compile({}).value();
  return policy;
}

// Null where the built-in rules do not compile, which a unit test excludes.
const Policy* default_policy() {
  static const auto compiled = Policy::compile(default_policy_rules());
  return compiled.ok() ? &*compiled : &policy_that_allows_nothing();
}

TenantFacts to_facts(const TenantState& state) {
  return {state.id, state.name, state.status, &state.policies, &state.limits};
}

IssuerFacts to_facts(const IssuerState& state) {
  return {state.id, state.tenant_id, state.status, state.spki_sha256, state.certificate, state.external};
}

CertificateFacts to_facts(const CertificateState& state) {
  return {state.tenant_id, state.device_id, state.issuer_id, state.status, state.not_after};
}

DeviceFacts to_facts(const DeviceState& state) {
  DeviceFacts facts{state.id, state.tenant_id, state.name, state.status, nullptr, {}, {}};
  facts.groups.assign(state.groups.begin(), state.groups.end());
  for (const auto& [name, value] : state.labels) facts.labels.emplace_back(name, value);
  for (const auto& [on, device, rule] : state.grants) {
    facts.grants.push_back({on, device, rule.actions, rule.max_qos, rule.max_payload, rule.filter});
  }
  facts.name_hash = state.name_hash;
  return facts;
}

// The newest layer's word on an entity; null where no layer speaks of it.
template <typename Layers, typename Id>
auto find_in_layers(const Layers& layers, const Id& id) -> decltype(layers.front()->find(id)) {
  for (const auto& layer : layers | std::views::reverse) {
    if (const auto* state = layer->find(id)) return state;
  }
  return nullptr;
}

}  // namespace

SnapshotView::SnapshotView(std::shared_ptr<const BaseFile> base)
    : base_(std::move(base)), position_(base_->position()) {}

SnapshotView::~SnapshotView() = default;

std::shared_ptr<const SnapshotView> SnapshotView::with(const StreamPosition& position,
                                                       std::span<const IdentityChange> changes) const {
  const std::shared_ptr<SnapshotView> next{new SnapshotView{*this}};
  next->position_ = position;
  if (changes.empty()) return next;
  auto layer = std::make_shared<const ChangeLayer>(changes);
  // Merging only layers of like size leaves a logarithmic number of them and copies each change that often.
  while (!next->layers_.empty() && next->layers_.back()->size() <= 2 * layer->size()) {
    layer = std::make_shared<const ChangeLayer>(*next->layers_.back(), *layer);
    next->layers_.pop_back();
  }
  next->layers_.push_back(std::move(layer));
  return next;
}

std::optional<CertificateFacts> SnapshotView::find_certificate(const Sha256& id) const {
  const auto* state = find_in_layers(layers_, id);
  if (state == nullptr) return base_->find_certificate(id);
  if (state->id != id) return std::nullopt;  // a layer knows all of the hash
  return to_facts(*state);
}

std::optional<DeviceFacts> SnapshotView::find_device(const DeviceId& id) const {
  if (const auto* state = find_in_layers(layers_, id)) {
    DeviceFacts facts = to_facts(*state);
    facts.policy = policy_in_force_for(facts, state->policy_id);
    return facts;
  }
  auto held = base_->find_device(id);
  if (!held) return std::nullopt;
  held->facts.policy = policy_in_force_for(held->facts, held->policy_id);
  return std::move(held->facts);
}

const Policy* SnapshotView::policy_in_force_for(const DeviceFacts& facts, const PolicyId& own) const {
  if (!own.is_nil()) return policy_for(own, facts.tenant_id);
  const auto tenant = find_tenant(facts.tenant_id);
  if (!tenant || !tenant->policies) return default_policy();
  return policy_for(policy_in_force(own, facts.groups, *tenant->policies).id, facts.tenant_id);
}

const Policy* SnapshotView::policy_for(const PolicyId& policy_id, const TenantId& tenant_id) const {
  if (policy_id.is_nil()) return default_policy();
  const HeldPolicy* held = nullptr;
  for (const auto& layer : layers_ | std::views::reverse) {
    held = layer->find_compiled(policy_id);
    if (held != nullptr) break;
  }
  if (held == nullptr) held = base_->find_policy(policy_id);
  const bool applies = held != nullptr && held->compiled != nullptr && held->status == EntityStatus::kActive &&
                       held->tenant_id == tenant_id;
  return applies ? held->compiled.get() : &policy_that_allows_nothing();
}

std::optional<TenantFacts> SnapshotView::find_tenant(const TenantId& id) const {
  if (const auto* state = find_in_layers(layers_, id)) return to_facts(*state);
  return base_->find_tenant(id);
}

std::optional<TenantFacts> SnapshotView::find_tenant_by_name(std::string_view name) const {
  std::optional<TenantFacts> best;
  const auto consider = [&](const TenantId& id) {
    const auto facts = find_tenant(id);  // the newest word on it, not the layer's that named it
    if (facts && facts->name == name && (!best || facts->status < best->status)) best = facts;
  };
  for (const auto& layer : layers_) {
    for (const TenantId& id : layer->tenants_named(name)) consider(id);
  }
  if (const auto held = base_->find_tenant_by_name(name)) consider(held->id);
  return best;
}

std::optional<IssuerFacts> SnapshotView::find_issuer(const IssuerId& id) const {
  if (const auto* state = find_in_layers(layers_, id)) return to_facts(*state);
  return base_->find_issuer(id);
}

std::vector<IssuerFacts> SnapshotView::find_issuers_by_key(const Sha256& spki_sha256) const {
  std::vector<IssuerFacts> found;
  const auto consider = [&](const IssuerId& id) {
    const auto facts = find_issuer(id);
    const bool seen = std::ranges::find(found, id, &IssuerFacts::id) != found.end();
    if (facts && !seen && facts->spki_sha256 == spki_sha256) found.push_back(*facts);
  };
  for (const auto& layer : layers_) {
    for (const IssuerId& id : layer->issuers_with_key(spki_sha256)) consider(id);
  }
  base_->for_each_issuer_with_key(spki_sha256, [&](const IssuerFacts& issuer) { consider(issuer.id); });
  return found;
}

std::vector<IssuerFacts> SnapshotView::issuers() const {
  std::vector<IssuerId> ids;
  for (const auto& layer : layers_) {
    for (const IssuerId& id : layer->issuer_ids()) ids.push_back(id);
  }
  base_->for_each_issuer([&](const IssuerFacts& issuer) { ids.push_back(issuer.id); });
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  std::vector<IssuerFacts> all;
  for (const IssuerId& id : ids) {
    if (const auto facts = find_issuer(id)) all.push_back(*facts);
  }
  return all;
}

std::optional<IdentityChange> SnapshotView::find_same(const IdentityChange& other) const {
  return std::visit(
      [this]<typename State>(const State& wanted) -> std::optional<IdentityChange> {
        if (const auto* state = find_in_layers(layers_, wanted.id)) return *state;
        if constexpr (std::is_same_v<State, PolicyState>) {
          if (auto state = base_->find_policy_state(wanted.id)) return std::move(*state);
        } else if constexpr (std::is_same_v<State, DeviceState>) {
          if (const auto held = base_->find_device(wanted.id)) return to_state(*held);
        } else if constexpr (std::is_same_v<State, CertificateState>) {
          if (const auto facts = base_->find_certificate(wanted.id)) return to_state(wanted.id, *facts);
        } else if constexpr (std::is_same_v<State, TenantState>) {
          if (const auto facts = base_->find_tenant(wanted.id)) return to_state(*facts);
        } else {
          if (const auto facts = base_->find_issuer(wanted.id)) return to_state(*facts);
        }
        return std::nullopt;
      },
      other);
}

void SnapshotView::for_each_certificate_until(UtcTime time,
                                              const std::function<void(const CertificateState&)>& visit) const {
  base_->for_each_certificate_until(time, [&](const CertificateState& certificate) {
    if (find_in_layers(layers_, certificate.id) == nullptr) visit(certificate);
  });
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->for_each_certificate([&](const CertificateState& certificate) {
      if (certificate.not_after < time && find_in_layers(layers_, certificate.id) == &certificate) visit(certificate);
    });
  }
}

void SnapshotView::for_each(const std::function<void(const IdentityChange&)>& visit) const {
  const auto hidden_above = [this](const IdentityChange& entity, std::size_t from_layer) {
    return std::visit(
        [&](const auto& state) {
          for (std::size_t i = from_layer; i < layers_.size(); ++i) {
            if (layers_[i]->find(state.id) != nullptr) return true;
          }
          return false;
        },
        entity);
  };
  base_->for_each([&](const IdentityChange& entity) {
    if (!hidden_above(entity, 0)) visit(entity);
  });
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    layers_[i]->for_each([&](const IdentityChange& entity) {
      if (!hidden_above(entity, i + 1)) visit(entity);
    });
  }
}

}  // namespace muster::edge
