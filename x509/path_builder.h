// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "x509/certificate.h"
#include "x509/trust_anchor.h"

namespace muster::x509 {

// PathBuilder searches a path from a leaf to an anchor: names chain and each signature verifies with the next key.
// Depth and signature checks are bounded. Views its arguments, which must outlive it. Private to x509/; used once.
class PathBuilder {
 public:
  PathBuilder(std::span<const Certificate> intermediates, std::span<const TrustAnchor> anchors)
      : intermediates_(intermediates), anchors_(anchors) {}

  // Returns an empty reason when a path was found, else chain.anchor_unknown, chain.too_long or
  // chain.search_exhausted.
  std::string_view search(const Certificate& leaf);

  const std::vector<const Certificate*>& path() const { return path_; }  // leaf … last intermediate, without the anchor
  std::optional<std::size_t> anchor_index() const { return anchor_index_; }

 private:
  bool extend();
  bool is_signed_by(const Certificate& subject, const PublicKey& key);
  bool is_in_path(const Certificate& certificate) const;

  std::span<const Certificate> intermediates_;
  std::span<const TrustAnchor> anchors_;
  std::vector<const Certificate*> path_;
  std::optional<std::size_t> anchor_index_;
  std::size_t signature_checks_ = 0;
  bool too_long_ = false;
};

}  // namespace muster::x509
