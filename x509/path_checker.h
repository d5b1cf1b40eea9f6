// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "x509/chain_finding.h"
#include "x509/name_constraints.h"
#include "x509/path_builder.h"
#include "x509/path_extensions.h"
#include "x509/path_validator.h"

namespace muster::x509 {

// PathChecker judges one path by RFC 5280 §6.1 and collects all findings. Private to x509/; used once.
class PathChecker {
 public:
  using Path = std::vector<const Certificate*>;  // leaf … anchor; the leaf alone where no path was found

  PathChecker(const PathPolicy& policy, NameTable& names, NameConstraintChecker& constraints, PathReport& report)
      : policy_(policy), names_(names), constraints_(constraints), report_(report) {}
  void check(const Path& path);

 private:
  void find(std::string_view reason, std::size_t index, std::string parameter = {});
  bool read_extensions(const Path& path);
  bool is_self_issued(const Certificate& certificate);
  std::size_t count_intermediates(const Path& path, std::size_t below);
  void check_validity(const Certificate& certificate, std::size_t index);
  void check_critical(const Certificate& certificate, std::size_t index);
  void check_issuer(const Path& path, std::size_t index);
  void check_path_length(const Path& path, std::size_t index);
  void check_intermediates(const Path& path);
  void check_policies(const Path& path);
  void check_revocation(const Path& path);

  const PathPolicy& policy_;
  NameTable& names_;
  NameConstraintChecker& constraints_;
  PathReport& report_;
  std::vector<PathExtensions> extensions_;  // of the path, in its order
};

// check_usage adds what is wrong with the extended key usage of `certificate`, CA or leaf, under `policy`.
void check_usage(const Certificate& certificate, std::size_t index, bool required, const PathPolicy& policy,
                 std::vector<ChainFinding>& findings);

// profile_violations names what RFC 5280 §4 asks of an issuer and `certificate` does not do; `is_anchor`: it ends a
// path.
std::vector<std::string> profile_violations(const Certificate& certificate, const PathExtensions& extensions,
                                            bool is_anchor);

// What a caller asks of a leaf beyond the path.
using LeafCheck = std::function<void(const Certificate& leaf, std::vector<ChainFinding>& findings)>;

// search_path finds and judges paths; the report is that of the first valid one, else of the first.
PathReport search_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                       std::span<const AnchorCandidate> anchors, const PathPolicy& policy, const LeafCheck& check_leaf);

}  // namespace muster::x509
