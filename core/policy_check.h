// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what is wrong with a policy document, rule by rule, for who publishes it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "core/policy_document.h"

namespace muster {

struct PolicyFinding {
  std::size_t rule = 0;  // index among the rules that were checked
  std::string_view reason;
  bool refuses = true;    // false: a warning
  std::size_t other = 0;  // policy.rule_shadowed: the rule that allows all of it already
};

// check_policy looks at every rule. Refused:
//   policy.too_many_rules          more than kMaxPolicyRules
//   policy.filter_invalid          not a Topic Filter, too long, too many levels, two ${group} in one level
//   policy.variable_unknown        no such variable, or no label can have that name
//   policy.never_matches           nobody publishes under '$', or no rule of the document lets the same topics be
//                                  published (kRetain) or subscribed to (kReceive)
//   policy.reaches_beyond_tenant   the first level is neither ${tenant} nor a literal '$' level
//   policy.reaches_other_devices   a wildcard stands where the device's name does
//   policy.limit_misplaced         max_qos or max_payload where the broker has no such number to compare, or is above 2
// Warnings:
//   policy.may_name_device         what variables make of the level where a device's name stands may be another's name
//   policy.rule_shadowed           an earlier or wider rule allows all that this one does
//   policy.nothing_received        no kReceive rule lets anything through that this kSubscribe rule asks for
std::vector<PolicyFinding> check_policy(std::span<const PolicyRule> rules);

}  // namespace muster
