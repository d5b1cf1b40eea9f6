// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/anchor_index.h"

#include <algorithm>

namespace muster::auth_plugin {

std::shared_ptr<const AnchorIndex> AnchorIndex::build(const edge::IdentityView& view, const AnchorIndex* previous) {
  auto index = std::make_shared<AnchorIndex>();
  for (const edge::IssuerFacts& issuer : view.issuers()) {
    if (issuer.status != edge::EntityStatus::kActive || !issuer.external.empty()) continue;
    if (previous) {
      const auto known = previous->by_id_.find(issuer.id);
      if (known != previous->by_id_.end() && known->second.tenant_id == issuer.tenant_id &&
          std::ranges::equal(known->second.trust.certificate().der(), issuer.certificate)) {
        index->by_id_.emplace(issuer.id, known->second);
        continue;
      }
    }
    auto trust = x509::TrustAnchor::parse_der(issuer.certificate);
    // The registry names the key that it trusts; a certificate with another key is not that anchor.
    if (!trust.ok() || trust->certificate().spki_sha256() != issuer.spki_sha256) {
      ++index->unusable_;
      continue;
    }
    index->by_id_.emplace(issuer.id, Anchor{issuer.id, issuer.tenant_id, std::move(trust).value()});
  }
  for (const auto& [id, anchor] : index->by_id_) {
    index->by_subject_.emplace(as_text(anchor.trust.certificate().subject()), id);
  }
  return index;
}

std::vector<Anchor> AnchorIndex::candidates(const std::vector<BytesView>& names) const {
  std::vector<Anchor> found;
  for (const BytesView name : names) {
    const auto [first, last] = by_subject_.equal_range(as_text(name));
    for (auto it = first; it != last && found.size() < kMaxCandidates; ++it) {
      const bool known =
          std::ranges::any_of(found, [&](const Anchor& anchor) { return anchor.issuer_id == it->second; });
      if (!known) found.push_back(by_id_.at(it->second));
    }
  }
  return found;
}

}  // namespace muster::auth_plugin
