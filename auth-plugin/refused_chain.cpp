// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/refused_chain.h"

#include <algorithm>
#include <set>

#include "x509/certificate.h"
#include "x509/chain_verifier.h"
#include "x509/public_key.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kMaxCost = 16;  // PublicKey::verification_cost: about a millisecond of the broker's thread

// Follows signatures upwards from the leaf.
class SignatureTrail {
 public:
  SignatureTrail(const ParsedChain& chain, const IdentityState& state) : chain_(chain), state_(state) {}

  std::optional<TenantId> tenant() {
    // A leaf that cannot be read leads nowhere, whatever was presented with it.
    const x509::Certificate* at = chain_.leaf() ? &*chain_.leaf() : nullptr;
    for (std::size_t step = 0; step < x509::kMaxPathLength && at; ++step) {
      const std::set<TenantId> signers = tenants_whose_key_signed(*at);
      if (signers.size() == 1) return *signers.begin();
      if (!signers.empty()) return std::nullopt;
      at = presented_that_signed(*at);
    }
    return std::nullopt;
  }

 private:
  bool signed_by(const x509::Certificate& subject, const x509::PublicKey& key) {
    spent_ += key.verification_cost();
    if (spent_ > kMaxCost) return false;
    return key.verify(subject.signature_algorithm(), subject.tbs(), subject.signature()).ok();
  }

  std::set<TenantId> tenants_whose_key_signed(const x509::Certificate& subject) {
    std::set<TenantId> tenants;
    for (const Anchor& anchor : state_.anchors->candidates({subject.issuer()})) {
      if (signed_by(subject, anchor.trust.key())) tenants.insert(anchor.tenant_id);
    }
    if (!state_.external) return tenants;
    for (const auto& entry : state_.external->candidates({subject.issuer()}, std::nullopt)) {
      if (signed_by(subject, entry->anchor.trust.key())) tenants.insert(entry->tenant_id);
    }
    return tenants;
  }

  const x509::Certificate* presented_that_signed(const x509::Certificate& subject) {
    for (const x509::Certificate& candidate : chain_.others()) {
      if (!std::ranges::equal(candidate.subject(), subject.issuer())) continue;
      if (++spent_ > kMaxCost) return nullptr;
      const auto key = x509::PublicKey::parse(candidate.spki());
      if (key.ok() && signed_by(subject, *key)) return &candidate;
    }
    return nullptr;
  }

  const ParsedChain& chain_;
  const IdentityState& state_;
  std::size_t spent_ = 0;
};

}  // namespace

std::optional<TenantId> tenant_that_signed(const ParsedChain& chain, const IdentityState& state) {
  return SignatureTrail(chain, state).tenant();
}

}  // namespace muster::auth_plugin
