// SPDX-License-Identifier: Apache-2.0
#include "core/topic_decision.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

using Access = TopicAccess;
using By = TopicVerdict::By;

PolicyActions actions(std::initializer_list<PolicyAction> list) {
  PolicyActions set;
  for (const PolicyAction action : list) set.add(action);
  return set;
}

// A gateway gw with the built-in policy that has grants on its meters; sorted by device.
const std::vector<GrantedTopics> kGrants = {
    {"meter-1", actions({PolicyAction::kPublish, PolicyAction::kSubscribe}), kAnyQos, kAnyPayload, "#"},
    {"meter-2", actions({PolicyAction::kPublish, PolicyAction::kRetain}), 0, 10, "telemetry/#"},
    {"meter-2", actions({PolicyAction::kSubscribe}), kAnyQos, kAnyPayload, "commands/+"},
    {"meter-3", actions({PolicyAction::kWill}), kAnyQos, kAnyPayload, "state"},
};

class Gateway : public testing::Test {
 protected:
  TopicVerdict decide(Access access, std::string_view topic, Carried carried = {}, bool retain = false) const {
    return decide_topic({policy_, {"acme", "gw", {}, {}}, kGrants}, {access, topic, carried, retain});
  }
  std::string_view reason(Access access, std::string_view topic, Carried carried = {}, bool retain = false) const {
    return decide(access, topic, carried, retain).reason;
  }
  Policy policy_ = Policy::compile(default_policy_rules()).value();
};

TEST_F(Gateway, ReachesTheTopicsOfThoseItHasAGrantOn) {
  EXPECT_EQ(reason(Access::kPublish, "acme/gw/telemetry/x"), "");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-1/telemetry/x"), "");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-1"), "");
  EXPECT_EQ(reason(Access::kSubscribe, "acme/meter-1/#"), "");
  EXPECT_EQ(reason(Access::kReceive, "acme/meter-1/commands/x"), "");
  EXPECT_EQ(reason(Access::kSubscribe, "acme/meter-2/commands/+"), "");
  EXPECT_EQ(reason(Access::kReceive, "acme/meter-2/commands/x"), "");
  EXPECT_EQ(decide(Access::kPublish, "acme/gw/telemetry/x").by, By::kPolicy);
  const TopicVerdict verdict = decide(Access::kSubscribe, "acme/meter-2/commands/go");
  EXPECT_EQ(verdict.by, By::kGrant);
  EXPECT_EQ(verdict.rule, 2);
}

TEST_F(Gateway, ReachesNothingElse) {
  for (const char* topic : {"acme/meter-2", "acme/meter-2/", "acme/meter-2/state", "acme/meter-2/telemetryx",
                            "acme/meter-3/state", "acme/meter-4/telemetry", "acme/meter/telemetry", "acme", "acme/",
                            "acme//telemetry", "beta/meter-1/telemetry", "acme/meter-11/x", "acmex/meter-1/x"}) {
    EXPECT_EQ(reason(Access::kPublish, topic), "acl.not_in_policy") << topic;
  }
  for (const char* filter : {"acme/+/commands/+", "acme/meter-2/#", "acme/meter-2/commands/#", "acme/meter-2/+",
                             "acme/meter-2", "acme/#", "#", "$share/g/acme/meter-1/#", "+/meter-1/#"}) {
    EXPECT_EQ(reason(Access::kSubscribe, filter), "acl.not_in_policy") << filter;
  }
  EXPECT_EQ(reason(Access::kReceive, "acme/meter-2/telemetry/x"), "acl.not_in_policy");
  EXPECT_EQ(reason(Access::kSubscribe, "acme/meter-1/a+"), "acl.topic_invalid");
}

TEST_F(Gateway, GrantsHoldTheirLimits) {
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-2/telemetry/x", {0, 10}), "");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-2/telemetry/x", {0, 11}), "acl.payload_too_large");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-2/telemetry/x", {1, 10}), "acl.qos_not_allowed");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-2/telemetry/x", {0, 10}, true), "");
  EXPECT_EQ(reason(Access::kPublish, "acme/meter-1/telemetry/x", {}, true), "acl.retain_not_allowed");
}

TEST_F(Gateway, WillAndRetainedAreGrantsOfTheirOwn) {
  EXPECT_EQ(reason(Access::kWill, "acme/meter-3/state"), "");
  EXPECT_EQ(reason(Access::kWill, "acme/meter-3/state", {}, true), "acl.retain_not_allowed");
  EXPECT_EQ(reason(Access::kWill, "acme/meter-1/state"), "acl.not_in_policy");
  EXPECT_EQ(reason(Access::kRetained, "acme/meter-2/telemetry/x"), "");
  EXPECT_EQ(reason(Access::kRetained, "acme/meter-1/x"), "acl.retain_not_allowed");
  EXPECT_EQ(reason(Access::kRetained, "acme/gw/state"), "");
}

TEST(TopicDecision, RetainingNeedsBothRulesWhereTheDocumentSpeaksOfIt) {
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/${device}/#"},
                                         {PolicyAction::kRetain, "${tenant}/${device}/state", kAnyQos, 5}};
  const Policy policy = Policy::compile(rules).value();
  const auto reason = [&](std::string_view topic, Carried carried, bool retain) {
    return decide_topic({policy, {"acme", "d", {}, {}}, {}}, {Access::kPublish, topic, carried, retain}).reason;
  };
  EXPECT_EQ(reason("acme/d/x", {}, false), "");
  EXPECT_EQ(reason("acme/d/x", {}, true), "acl.retain_not_allowed");
  EXPECT_EQ(reason("acme/d/state", {0, 5}, true), "");
  EXPECT_EQ(reason("acme/d/state", {0, 6}, true), "acl.retain_not_allowed");
  EXPECT_EQ(reason("acme/d/state", {0, 6}, false), "");
}

TEST(TopicDecision, NothingAllowsTheBrokersOwnTopicsToBePublished) {
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/${device}/#"}};
  const Policy policy = Policy::compile(rules).value();
  for (const Access access : {Access::kPublish, Access::kWill, Access::kRetained}) {
    EXPECT_EQ(decide_topic({policy, {"$SYS", "d", {}, {}}, {}}, {access, "$SYS/d/x"}).reason, "acl.dollar_topic");
    EXPECT_EQ(decide_topic({policy, {"acme", "d", {}, {}}, {}}, {access, "acme/d/+"}).reason, "acl.topic_invalid");
    EXPECT_EQ(decide_topic({policy, {"acme", "d", {}, {}}, {}}, {access, ""}).reason, "acl.topic_invalid");
  }
}

TEST(GrantFilter, IsValidBelowADeviceOnly) {
  EXPECT_TRUE(is_valid_grant_filter("#"));
  EXPECT_TRUE(is_valid_grant_filter("telemetry/+/x"));
  std::string deep = "a";
  for (int i = 0; i < 29; ++i) deep += "/a";
  EXPECT_TRUE(is_valid_grant_filter(deep));
  for (const std::string& filter :
       {std::string(), deep + "/a", std::string("a/#/b"), std::string("a+"), std::string("$share/g/a"),
        std::string("a\nb"), std::string(kMaxPolicyFilterLength + 1, 'a')}) {
    EXPECT_FALSE(is_valid_grant_filter(filter)) << filter;
  }
}

}  // namespace
}  // namespace muster
