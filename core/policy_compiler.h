// SPDX-License-Identifier: Apache-2.0
//
// Purpose: turns rules into a compiled Policy and says of each rule what is wrong with it. Internal to core/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/policy.h"

namespace muster {

class PolicyCompiler {
 public:
  // add compiles one rule at `index` of the document. A rule that is refused is left out and its reason returned; ""
  // where there is none. All rules of an action must follow each other.
  // Reasons: policy.filter_invalid, policy.variable_unknown, policy.never_matches, policy.reaches_beyond_tenant,
  // policy.reaches_other_devices, policy.limit_misplaced.
  std::string_view add(const PolicyRule& rule, std::size_t index);
  Policy finish(const Limits& limits);
  // The order in which add() wants rules: by action, then as they stand.
  static std::vector<std::size_t> order_of(std::span<const PolicyRule> rules);

 private:
  using Segment = Policy::Segment;
  using Level = Policy::Level;
  using Rule = Policy::Rule;

  std::string_view add_levels(Rule& rule, std::string_view filter);
  std::string_view add_level(std::string_view text);
  std::string_view add_variable(std::string_view name, std::size_t first_segment);
  std::string_view check_reach(const Rule& rule) const;
  std::string_view check_device_level(const Rule& rule, std::size_t at) const;
  void add_literal(Segment::Kind kind, std::string_view text);
  void find_literal_tail(Rule& rule);
  bool is_only(const Level& level, Segment::Kind kind) const;

  Policy policy_;
};

}  // namespace muster
