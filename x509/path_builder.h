// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "x509/certificate.h"
#include "x509/distinguished_name.h"
#include "x509/path_validator.h"
#include "x509/public_key.h"
#include "x509/verification_key.h"

namespace muster::x509 {

// An anchor as the search sees it.
struct AnchorCandidate {
  Certificate certificate;
  VerificationKey key;
};

// PathBuilder searches paths from a leaf to an anchor: names chain and each signature verifies with the next key. It
// goes back and tries another way where a path is refused. Bounded by PathLimits; counts into PathWork. Views its
// arguments, which must outlive it. Private to x509/; used once.
class PathBuilder {
 public:
  // Leaf … anchor. True: this is the one; false: search on.
  using Judge = std::function<bool(const std::vector<const Certificate*>& path, std::size_t anchor_index)>;

  PathBuilder(std::span<const Certificate> intermediates, std::span<const AnchorCandidate> anchors,
              const PathPolicy& policy, NameTable& names, PathWork& work)
      : intermediates_(intermediates), anchors_(anchors), policy_(policy), names_(names), work_(work) {}

  // Returns an empty reason when at least one path was judged, else chain.anchor_unknown, chain.too_long or
  // chain.search_exhausted.
  std::string_view search(const Certificate& leaf, const Judge& judge);

 private:
  struct Edge {
    const Certificate* subject;
    const Certificate* issuer;
    bool verified;
  };
  bool extend(const Judge& judge);
  bool extend_to_anchor(const Judge& judge);
  std::vector<const Certificate*> candidates(const Certificate& subject);
  bool is_signed_by(const Certificate& subject, const Certificate& issuer, const VerificationKey* key);
  bool is_in_path(const Certificate& certificate);
  bool is_exhausted() const;
  bool may_spend(std::size_t cost);
  bool check_signature(const Certificate& subject, const Certificate& issuer, const VerificationKey* key);

  std::span<const Certificate> intermediates_;
  std::span<const AnchorCandidate> anchors_;
  const PathPolicy& policy_;
  NameTable& names_;
  PathWork& work_;
  std::vector<const Certificate*> path_;
  std::vector<Edge> edges_;  // signatures that were checked already: none is checked twice
  bool too_long_ = false;
};

}  // namespace muster::x509
