// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certificate policy processing of RFC 5280 §6.1 with the graph of RFC 9618 in place of the tree: one node a
// policy and certificate, however many ways lead to it, so that mappings cannot make it grow exponentially. Private to
// x509/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "x509/path_extensions.h"
#include "x509/path_validator.h"

namespace muster::x509 {

// PolicyGraph takes the certificates of a path from the one below the anchor to the leaf. Confined to one thread.
class PolicyGraph {
 public:
  // `length`: certificates in the path without the anchor, n of §6.1.
  PolicyGraph(const PolicyInputs& inputs, std::size_t length);

  // The anchor's own policyConstraints and inhibitAnyPolicy hold from the start (RFC 5937 §3.2).
  void apply_anchor(const PathExtensions& anchor);
  // The next certificate: §6.1.3 (d) to (f), then §6.1.4 (a), (b), (h) to (j), or §6.1.5 for the last. Returns an empty
  // reason, chain.policy_missing or chain.policy_mapping_invalid.
  std::string_view add(const PathExtensions& extensions, bool self_issued);
  // After the leaf: the policies that the whole path and the relying party accept; {anyPolicy} where any is.
  std::set<std::string> user_constrained_policies() const;
  std::size_t node_count() const;

 private:
  struct Node {
    std::set<std::string> expected;  // expected_policy_set
    std::set<std::string> parents;   // policies of the level before
  };
  using Level = std::map<std::string, Node, std::less<>>;  // by valid_policy

  Level next_level(const PathExtensions& extensions, bool any_policy_counts) const;
  std::string_view map_policies(const std::vector<PolicyMapping>& mappings);
  std::string_view finish(const PathExtensions& leaf);
  void count_down();
  std::set<std::string> authority_constrained_policies() const;

  const PolicyInputs& inputs_;
  std::size_t length_;
  std::uint32_t explicit_policy_;
  std::uint32_t policy_mapping_;
  std::uint32_t inhibit_any_policy_;
  std::vector<Level> levels_;  // levels_[0] is the root: anyPolicy; an empty last level is the NULL graph
};

}  // namespace muster::x509
