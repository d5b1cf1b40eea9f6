// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/refused_chain.h"

#include <algorithm>
#include <set>
#include <vector>

#include "x509/certificate.h"
#include "x509/chain_verifier.h"
#include "x509/public_key.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kMaxCost = 16;  // PublicKey::verification_cost: about a millisecond of the broker's thread

// Follows signatures upwards from the leaf.
class SignatureTrail {
 public:
  SignatureTrail(const PresentedChain& chain, const IdentityState& state) : state_(state) {
    add(chain.leaf);
    for (const BytesView der : chain.others) {
      if (certificates_.size() <= x509::kMaxPresented) add(der);
    }
  }

  std::optional<TenantId> tenant() {
    if (certificates_.empty()) return std::nullopt;
    const x509::Certificate* at = &certificates_.front();
    for (std::size_t step = 0; step < x509::kMaxPathLength && at; ++step) {
      const std::set<TenantId> signers = tenants_whose_key_signed(*at);
      if (signers.size() == 1) return *signers.begin();
      if (!signers.empty()) return std::nullopt;
      at = presented_that_signed(*at);
    }
    return std::nullopt;
  }

 private:
  void add(BytesView der) {
    auto parsed = x509::Certificate::parse_der(der);
    if (parsed.ok()) certificates_.push_back(std::move(parsed).value());
  }

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
    for (std::size_t i = 1; i < certificates_.size(); ++i) {
      const x509::Certificate& candidate = certificates_[i];
      if (!std::ranges::equal(candidate.subject(), subject.issuer())) continue;
      if (++spent_ > kMaxCost) return nullptr;
      const auto key = x509::PublicKey::parse(candidate.spki());
      if (key.ok() && signed_by(subject, *key)) return &candidate;
    }
    return nullptr;
  }

  const IdentityState& state_;
  std::vector<x509::Certificate> certificates_;  // leaf first
  std::size_t spent_ = 0;
};

}  // namespace

std::optional<TenantId> tenant_that_signed(const PresentedChain& chain, const IdentityState& state) {
  // A leaf that cannot be read leads nowhere, whatever was presented with it.
  if (!x509::Certificate::parse_der(chain.leaf).ok()) return std::nullopt;
  return SignatureTrail(chain, state).tenant();
}

}  // namespace muster::auth_plugin
