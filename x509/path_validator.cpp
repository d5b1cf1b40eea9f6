// SPDX-License-Identifier: Apache-2.0
#include "x509/path_validator.h"

#include "x509/path_checker.h"
#include "x509/reasons.h"

namespace muster::x509 {

PathReport validate_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const Certificate> anchors, const PathPolicy& policy) {
  std::vector<AnchorCandidate> candidates;
  std::vector<std::size_t> origin;  // of each candidate in `anchors`
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    auto key = VerificationKey::parse(anchors[i].spki(), policy.algorithms);
    if (!key.ok()) continue;  // nothing can verify with it
    candidates.push_back({anchors[i], std::move(*key)});
    origin.push_back(i);
  }
  const auto check_leaf = [&](const Certificate& end, std::vector<ChainFinding>& findings) {
    check_usage(end, 0, policy.require_usage, policy, findings);
    const auto key = VerificationKey::parse(end.spki(), policy.algorithms);
    if (!key.ok()) findings.push_back({reasons::kChainKeyUnsupported, 0, std::string(key.error().reason)});
  };
  PathReport report = search_path(leaf, intermediates, candidates, policy, check_leaf);
  if (report.anchor_index) report.anchor_index = origin[*report.anchor_index];
  return report;
}

}  // namespace muster::x509
