// SPDX-License-Identifier: Apache-2.0
//
// Purpose: changes that lie over a base file, indexed for look-up. Immutable once made, thread-safe, shared by the
// views that came after it. What a layer says hides what older layers and the base say of the same entity.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "edge/base_file.h"
#include "edge/identity_change.h"

namespace muster::edge {

class ChangeLayer {
 public:
  explicit ChangeLayer(std::span<const IdentityChange> changes);
  // `older` with `newer` over it.
  ChangeLayer(const ChangeLayer& older, const ChangeLayer& newer);

  // Null: this layer does not speak of it.
  const TenantState* find(const TenantId& id) const { return find_in(tenants_, id); }
  const IssuerState* find(const IssuerId& id) const { return find_in(issuers_, id); }
  const DeviceState* find(const DeviceId& id) const { return find_in(devices_, id); }
  // By the first half of the hash, as a base finds it.
  const CertificateState* find(const Sha256& id) const { return find_in(certificates_, head_of(id)); }
  const PolicyState* find(const PolicyId& id) const;
  const HeldPolicy* find_compiled(const PolicyId& id) const;
  // The ids that had this name, or this key, when they entered this layer.
  std::vector<TenantId> tenants_named(std::string_view name) const;
  std::vector<IssuerId> issuers_with_key(const Sha256& spki_sha256) const;

  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [id, state] : tenants_) visit(IdentityChange{state});
    for (const auto& [id, state] : issuers_) visit(IdentityChange{state});
    for (const auto& [id, policy] : policies_) visit(IdentityChange{policy.state});
    for (const auto& [id, state] : devices_) visit(IdentityChange{state});
    for (const auto& [id, state] : certificates_) visit(IdentityChange{state});
  }
  template <typename Visit>
  void for_each_certificate(Visit visit) const {
    for (const auto& [id, state] : certificates_) visit(state);
  }
  std::vector<IssuerId> issuer_ids() const;
  std::size_t size() const;

 private:
  struct CompiledPolicy {
    PolicyState state;
    HeldPolicy held;
  };
  struct HashOfHead {  // part of a SHA-256 is its own hash
    std::size_t operator()(const PackedKey& head) const noexcept {
      std::size_t h = 0;
      std::memcpy(&h, head.data(), sizeof h);
      return h;
    }
  };
  static PackedKey head_of(const Sha256& id) {
    PackedKey head;
    std::memcpy(head.data(), id.data(), head.size());
    return head;
  }
  template <typename Map, typename Key>
  static const typename Map::mapped_type* find_in(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  }
  void put(const TenantState& state) { tenants_.insert_or_assign(state.id, state); }
  void put(const IssuerState& state) { issuers_.insert_or_assign(state.id, state); }
  void put(const DeviceState& state) { devices_.insert_or_assign(state.id, state); }
  void put(const CertificateState& state) { certificates_.insert_or_assign(head_of(state.id), state); }
  void put(const PolicyState& state);

  std::unordered_map<TenantId, TenantState> tenants_;
  std::unordered_map<IssuerId, IssuerState> issuers_;
  std::unordered_map<PolicyId, CompiledPolicy> policies_;
  std::unordered_map<DeviceId, DeviceState> devices_;
  std::unordered_map<PackedKey, CertificateState, HashOfHead> certificates_;
};

}  // namespace muster::edge
