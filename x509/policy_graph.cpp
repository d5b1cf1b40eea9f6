// SPDX-License-Identifier: Apache-2.0
#include "x509/policy_graph.h"

#include <algorithm>

#include "x509/reasons.h"

namespace muster::x509 {

namespace {
const std::string kAny{kAnyPolicy};
}  // namespace

PolicyGraph::PolicyGraph(const PolicyInputs& inputs, std::size_t length)
    : inputs_(inputs),
      length_(length),
      explicit_policy_(inputs.require_explicit_policy ? 0 : static_cast<std::uint32_t>(length) + 1),
      policy_mapping_(inputs.inhibit_policy_mapping ? 0 : static_cast<std::uint32_t>(length) + 1),
      inhibit_any_policy_(inputs.inhibit_any_policy ? 0 : static_cast<std::uint32_t>(length) + 1) {
  levels_.push_back({{kAny, Node{{kAny}, {}}}});
}

void PolicyGraph::apply_anchor(const PathExtensions& anchor) {
  explicit_policy_ = std::min(explicit_policy_, anchor.require_explicit_policy.value_or(explicit_policy_));
  policy_mapping_ = std::min(policy_mapping_, anchor.inhibit_policy_mapping.value_or(policy_mapping_));
  inhibit_any_policy_ = std::min(inhibit_any_policy_, anchor.inhibit_any_policy.value_or(inhibit_any_policy_));
}

std::string_view PolicyGraph::add(const PathExtensions& extensions, bool self_issued) {
  const bool last = levels_.size() == length_;
  const bool any_policy_counts = inhibit_any_policy_ > 0 || (!last && self_issued);
  levels_.push_back(extensions.policies ? next_level(extensions, any_policy_counts) : Level{});
  if (explicit_policy_ == 0 && levels_.back().empty()) return reasons::kChainPolicyMissing;  // §6.1.3 (f)
  if (last) return finish(extensions);
  if (const auto reason = map_policies(extensions.mappings); !reason.empty()) return reason;
  if (!self_issued) count_down();
  apply_anchor(extensions);  // §6.1.4 (i) and (j) say the same of every CA
  return {};
}

// §6.1.3 (d) (1) and (2)
PolicyGraph::Level PolicyGraph::next_level(const PathExtensions& extensions, bool any_policy_counts) const {
  const Level& above = levels_.back();
  std::map<std::string, std::set<std::string>> expecting;  // policy → nodes above whose expected_policy_set has it
  for (const auto& [policy, node] : above) {
    for (const std::string& expected : node.expected) expecting[expected].insert(policy);
  }
  Level level;
  bool has_any = false;
  for (const std::string& policy : *extensions.policies) {
    if (policy == kAny) {
      has_any = true;
    } else if (const auto found = expecting.find(policy); found != expecting.end()) {
      level[policy] = Node{{policy}, found->second};
    } else if (above.contains(kAny)) {
      level[policy] = Node{{policy}, {kAny}};
    }
  }
  if (!has_any || !any_policy_counts) return level;
  for (const auto& [policy, parents] : expecting) level.try_emplace(policy, Node{{policy}, parents});
  return level;
}

// §6.1.4 (a) and (b)
std::string_view PolicyGraph::map_policies(const std::vector<PolicyMapping>& mappings) {
  Level& level = levels_.back();
  std::map<std::string, std::set<std::string>> mapped;
  for (const PolicyMapping& mapping : mappings) {
    if (mapping.issuer_policy == kAny || mapping.subject_policy == kAny) return reasons::kChainPolicyMappingInvalid;
    mapped[mapping.issuer_policy].insert(mapping.subject_policy);
  }
  for (auto& [policy, expected] : mapped) {
    const auto node = level.find(policy);
    if (policy_mapping_ == 0) {
      if (node != level.end()) level.erase(node);
    } else if (node != level.end()) {
      node->second.expected = std::move(expected);
    } else if (level.contains(kAny)) {
      level[policy] = Node{std::move(expected), {kAny}};
    }
  }
  return {};
}

// §6.1.4 (h)
void PolicyGraph::count_down() {
  for (std::uint32_t* counter : {&explicit_policy_, &policy_mapping_, &inhibit_any_policy_}) {
    if (*counter > 0) --*counter;
  }
}

// §6.1.5 (a), (b) and (g)
std::string_view PolicyGraph::finish(const PathExtensions& leaf) {
  if (explicit_policy_ > 0) --explicit_policy_;
  if (leaf.require_explicit_policy == 0u) explicit_policy_ = 0;
  if (explicit_policy_ == 0 && user_constrained_policies().empty()) return reasons::kChainPolicyMissing;
  return {};
}

// The policies that some chain of nodes from the root down to the leaf's level begins with [RFC9618 5.6]: anyPolicy
// stands for all only where it goes all the way down.
std::set<std::string> PolicyGraph::authority_constrained_policies() const {
  std::set<std::string> policies;
  std::set<std::string> reached;
  for (const auto& [policy, node] : levels_.back()) reached.insert(policy);
  if (reached.contains(kAny)) policies.insert(kAny);
  for (std::size_t depth = levels_.size() - 1; depth > 0; --depth) {
    std::set<std::string> reached_above;
    for (const std::string& policy : reached) {
      const Node& node = levels_[depth].find(policy)->second;
      if (policy != kAny && node.parents.contains(kAny)) policies.insert(policy);
      reached_above.insert(node.parents.begin(), node.parents.end());
    }
    reached = std::move(reached_above);
  }
  return policies;
}

std::set<std::string> PolicyGraph::user_constrained_policies() const {
  std::set<std::string> authority = authority_constrained_policies();
  const std::set<std::string>& acceptable = inputs_.acceptable;
  if (acceptable.empty() || acceptable.contains(kAny)) return authority;
  if (authority.contains(kAny)) return acceptable;
  std::set<std::string> both;
  std::ranges::set_intersection(authority, acceptable, std::inserter(both, both.end()));
  return both;
}

std::size_t PolicyGraph::node_count() const {
  std::size_t count = 0;
  for (const Level& level : levels_) count += level.size();
  return count;
}

}  // namespace muster::x509
