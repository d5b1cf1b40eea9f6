// SPDX-License-Identifier: Apache-2.0
#include "core/policy_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/policy.h"

namespace muster {
namespace {

using Action = PolicyAction;

std::string described(const std::vector<PolicyRule>& rules) {
  std::string text;
  for (const PolicyFinding& finding : check_policy(rules)) {
    text += std::to_string(finding.rule) + (finding.refuses ? " " : " warning ") + std::string(finding.reason);
    if (finding.reason == "policy.rule_shadowed") text += " " + std::to_string(finding.other);
    text += "; ";
  }
  return text;
}

TEST(PolicyCheck, NamesEveryRuleThatIsWrong) {
  EXPECT_EQ(described({{Action::kPublish, "${tenant}/${device}/a"},
                       {Action::kPublish, "beta/a"},
                       {Action::kSubscribe, "${tenant}/#/x"},
                       {Action::kSubscribe, "${tenant}/+/x"}}),
            "1 policy.reaches_beyond_tenant; 2 policy.filter_invalid; 3 policy.reaches_other_devices; ");
  EXPECT_EQ(described(std::vector<PolicyRule>(kMaxPolicyRules + 1, {Action::kPublish, "${tenant}/${device}/a"})),
            "64 policy.too_many_rules; ");
}

TEST(PolicyCheck, RulesThatCanNeverMatchAreRefused) {
  const PolicyRule publish{Action::kPublish, "${tenant}/${device}/a/#"};
  const PolicyRule subscribe{Action::kSubscribe, "${tenant}/${device}/s/+"};
  EXPECT_EQ(described({{Action::kPublish, "$SYS/a"}}), "0 policy.never_matches; ");
  EXPECT_EQ(described({{Action::kWill, "$SYS/a"}}), "0 policy.never_matches; ");
  EXPECT_EQ(described({{Action::kSubscribe, "$SYS/#"}}), "");
  EXPECT_EQ(described({publish, {Action::kRetain, "${tenant}/${device}/b"}}), "1 policy.never_matches; ");
  EXPECT_EQ(described({publish, {Action::kRetain, "${tenant}/${device}/a"}}), "");
  EXPECT_EQ(described({publish, {Action::kRetain, "${tenant}/${device}/+/b"}}), "");
  EXPECT_EQ(described({{Action::kWill, "${tenant}/${device}/b"}, {Action::kRetain, "${tenant}/${device}/b"}}), "");
  EXPECT_EQ(described({subscribe, {Action::kReceive, "${tenant}/${device}/s/a/b"}}),
            "0 warning policy.nothing_received; 1 policy.never_matches; ");
  EXPECT_EQ(described({subscribe, {Action::kReceive, "${tenant}/${device}/s/${group}"}}), "");
  EXPECT_EQ(described({{Action::kReceive, "${tenant}/${device}/s"}}), "0 policy.never_matches; ");
}

TEST(PolicyCheck, LimitsStandOnlyWhereTheBrokerHasSomethingToCompare) {
  const auto with = [](Action action, std::uint8_t qos, std::uint32_t payload) {
    std::vector<PolicyRule> rules = {{Action::kPublish, "${tenant}/${device}/a"},
                                     {Action::kSubscribe, "${tenant}/${device}/a"},
                                     {Action::kWill, "${tenant}/${device}/a"}};
    rules.push_back({action, "${tenant}/${device}/a", qos, payload});
    const auto findings = check_policy(rules);
    const auto last =
        std::find_if(findings.begin(), findings.end(), [](const auto& f) { return f.rule == 3 && f.refuses; });
    return last == findings.end() ? std::string_view() : last->reason;
  };
  EXPECT_EQ(with(Action::kPublish, 1, 5), "");
  EXPECT_EQ(with(Action::kWill, 0, 5), "");
  EXPECT_EQ(with(Action::kSubscribe, 0, kAnyPayload), "");
  EXPECT_EQ(with(Action::kSubscribe, 0, 5), "policy.limit_misplaced");
  EXPECT_EQ(with(Action::kReceive, kAnyQos, 5), "");
  EXPECT_EQ(with(Action::kReceive, 1, kAnyPayload), "policy.limit_misplaced");
  EXPECT_EQ(with(Action::kRetain, kAnyQos, 5), "");
  EXPECT_EQ(with(Action::kRetain, 1, 5), "policy.limit_misplaced");
  EXPECT_EQ(with(Action::kPublish, 3, 5), "policy.limit_misplaced");
}

TEST(PolicyCheck, NeedlessRulesAreWarnedOf) {
  EXPECT_EQ(described({{Action::kPublish, "${tenant}/${device}/a/b"}, {Action::kPublish, "${tenant}/${device}/a/#"}}),
            "0 warning policy.rule_shadowed 1; ");
  EXPECT_EQ(described({{Action::kPublish, "${tenant}/${device}/a"}, {Action::kPublish, "${tenant}/${device}/a"}}),
            "1 warning policy.rule_shadowed 0; ");
  EXPECT_EQ(
      described({{Action::kPublish, "${tenant}/${device}/+"}, {Action::kPublish, "${tenant}/${device}/${group}"}}),
      "1 warning policy.rule_shadowed 0; ");
  EXPECT_EQ(described({{Action::kPublish, "${tenant}/${device}/a", 0}, {Action::kPublish, "${tenant}/${device}/a"}}),
            "0 warning policy.rule_shadowed 1; ");
  EXPECT_EQ(described({{Action::kPublish, "${tenant}/${device}/a/+"}, {Action::kPublish, "${tenant}/${device}/+/a"}}),
            "");
  EXPECT_EQ(
      described({{Action::kPublish, "${tenant}/${device}/a", 1, 10}, {Action::kPublish, "${tenant}/${device}/#", 0}}),
      "");
}

// A factory chooses the names, groups and labels of the devices that it makes.
TEST(PolicyCheck, ALevelThatMayBeTheNameOfAnotherDeviceIsWarnedOf) {
  const auto warned = [](const std::string& filter) {
    return described({{Action::kSubscribe, filter}}) == "0 warning policy.may_name_device; ";
  };
  for (const char* filter :
       {"${tenant}/${group}/news", "${tenant}/${label.x}/#", "${tenant}/${cert.serial}", "${tenant}/line-${group}/a",
        "${tenant}/${device}-config/#", "${tenant}/${device}${label.x}", "$share/g/${tenant}/${group}/jobs"}) {
    EXPECT_TRUE(warned(filter)) << filter;
  }
  for (const char* filter : {"${tenant}/${device}/${label.x}/#", "${tenant}/news/${group}", "${tenant}/_${group}/news",
                             "${tenant}/-${label.x}/#", "${tenant}/${group}:news", "${tenant}/@${label.x}",
                             "${tenant}/news", "${tenant}", "$SYS/${label.x}", "$share/${group}/${tenant}/jobs"}) {
    EXPECT_EQ(described({{Action::kSubscribe, filter}}), "") << filter;
  }
}

TEST(PolicyCheck, TheBuiltInDefaultIsFlawless) { EXPECT_EQ(described(default_policy_rules()), ""); }

TEST(PolicyCheck, WhatItAcceptsCompiles) {
  for (const char* filter : {"${tenant}/#", "a", "${tenant}/a+", "${tenant}/${device}/#", "$SYS/x", "${tenant}//"}) {
    const std::vector<PolicyRule> rules = {{Action::kSubscribe, filter}};
    EXPECT_EQ(check_policy(rules).empty(), Policy::compile(rules).ok()) << filter;
  }
}

}  // namespace
}  // namespace muster
