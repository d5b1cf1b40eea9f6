// SPDX-License-Identifier: Apache-2.0
#include "x509/path_builder.h"

#include <algorithm>

#include "x509/chain_verifier.h"
#include "x509/reasons.h"

namespace muster::x509 {

std::string_view PathBuilder::search(const Certificate& leaf) {
  path_.push_back(&leaf);
  if (extend()) return {};
  if (signature_checks_ >= kMaxSignatureChecks) return reasons::kChainSearchExhausted;
  return too_long_ ? reasons::kChainTooLong : reasons::kChainAnchorUnknown;
}

bool PathBuilder::extend() {
  const Certificate& last = *path_.back();
  for (std::size_t i = 0; i < anchors_.size(); ++i) {
    const bool named = std::ranges::equal(anchors_[i].certificate().subject(), last.issuer());
    if (!named || !is_signed_by(last, anchors_[i].key())) continue;
    anchor_index_ = i;
    return true;
  }
  for (const Certificate& candidate : intermediates_) {
    if (!std::ranges::equal(candidate.subject(), last.issuer()) || is_in_path(candidate)) continue;
    if (path_.size() + 2 > kMaxPathLength) {  // the candidate and an anchor would follow
      too_long_ = true;
      return false;
    }
    if (signature_checks_ >= kMaxSignatureChecks) return false;
    const auto key = PublicKey::parse(candidate.spki());
    if (!key.ok() || !is_signed_by(last, *key)) continue;
    path_.push_back(&candidate);
    if (extend()) return true;
    path_.pop_back();
  }
  return false;
}

bool PathBuilder::is_signed_by(const Certificate& subject, const PublicKey& key) {
  if (signature_checks_ >= kMaxSignatureChecks) return false;
  ++signature_checks_;
  return key.verify(subject.signature_algorithm(), subject.tbs(), subject.signature()).ok();
}

bool PathBuilder::is_in_path(const Certificate& certificate) const {
  return std::ranges::any_of(path_, [&](const Certificate* seen) { return seen->id() == certificate.id(); });
}

}  // namespace muster::x509
