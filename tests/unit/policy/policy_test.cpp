// SPDX-License-Identifier: Apache-2.0
#include "core/policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <new>
#include <random>

#include "core/topic_filter.h"

namespace {
std::size_t allocations = 0;
}  // namespace

// Not inlined: where g++ sees malloc and free through them, it takes the pair for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace muster {
namespace {

const std::vector<std::string_view> kGroups = {"floor-1", "pumps"};
const std::vector<std::pair<std::string_view, std::string_view>> kLabels = {
    {"evil", "+"}, {"plant", "ulm"}, {"void", ""}};
const PolicySubject kSubject{"acme", "d1", kGroups, kLabels};

Policy policy_of(std::vector<PolicyRule> rules) {
  Result<Policy> policy = Policy::compile(rules);
  EXPECT_TRUE(policy.ok()) << (policy.ok() ? "" : policy.error().detail);
  return std::move(policy).value();
}

std::string_view refusal_of(const std::string& filter, PolicyAction action = PolicyAction::kSubscribe) {
  const std::vector<PolicyRule> rules = {{action, filter}};
  const Result<Policy> policy = Policy::compile(rules);
  return policy.ok() ? "" : policy.error().reason;
}

TEST(Policy, DefaultLetsADeviceTouchItsOwnTopicsOnly) {
  const Policy policy = policy_of(default_policy_rules());
  EXPECT_TRUE(policy.allows_publish(kSubject, "acme/d1/telemetry/t"));
  EXPECT_TRUE(policy.allows_publish(kSubject, "acme/d1/state"));
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/d1/commands/#"));
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/d1/commands/+/x"));
  EXPECT_TRUE(policy.allows_receive(kSubject, "acme/d1/config/a"));
  for (const char* topic : {"acme/d2/telemetry/t", "beta/d1/telemetry", "acme/d1/commands/x", "acme/d1",
                            "acme/d11/state", "$SYS/x", "/acme/d1/state", "acme//d1/state"}) {
    EXPECT_FALSE(policy.allows_publish(kSubject, topic)) << topic;
  }
  for (const char* filter : {"#", "+/d1/commands/#", "acme/+/commands/#", "acme/#", "$share/x/#", "$SYS/#",
                             "$share/x/acme/d1/commands/#", "acme/d1/#", "acme/d1/+/#", "+/+/+"}) {
    EXPECT_FALSE(policy.allows_subscribe(kSubject, filter)) << filter;
  }
}

TEST(Policy, SharedSubscriptionsNeedARuleThatNamesThem) {
  const Policy plain = policy_of({{PolicyAction::kSubscribe, "${tenant}/#"}});
  EXPECT_FALSE(plain.allows_subscribe(kSubject, "$share/g/acme/x"));
  const Policy shared = policy_of({{PolicyAction::kSubscribe, "$share/workers/${tenant}/jobs/#"}});
  EXPECT_TRUE(shared.allows_subscribe(kSubject, "$share/workers/acme/jobs/#"));
  EXPECT_FALSE(shared.allows_subscribe(kSubject, "$share/other/acme/jobs/#"));
  EXPECT_FALSE(shared.allows_subscribe(kSubject, "$share/workers/beta/jobs/#"));
  EXPECT_FALSE(shared.allows_subscribe(kSubject, "$share/workers/#"));
  EXPECT_FALSE(shared.allows_subscribe(kSubject, "acme/jobs/#"));
  EXPECT_TRUE(shared.allows_receive(kSubject, "acme/jobs/1"));
}

TEST(Policy, VariablesAreTextAndUnresolvedOnesMatchNothing) {
  const Policy policy = policy_of({{PolicyAction::kSubscribe, "${tenant}/${label.plant}/${group}/x"},
                                   {PolicyAction::kSubscribe, "${tenant}/e/${label.evil}"},
                                   {PolicyAction::kSubscribe, "${tenant}/v/${label.void}"},
                                   {PolicyAction::kSubscribe, "${tenant}/n/${label.nope}/#"},
                                   {PolicyAction::kSubscribe, "${tenant}/pre-${group}-post"}});
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/ulm/pumps/x"));
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/ulm/floor-1/x"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/ulm/valves/x"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/e/+"));
  EXPECT_FALSE(policy.allows_receive(kSubject, "acme/e/a"));
  EXPECT_FALSE(policy.allows_receive(kSubject, "acme/v/"));
  EXPECT_FALSE(policy.allows_receive(kSubject, "acme/n//a"));
  EXPECT_TRUE(policy.allows_receive(kSubject, "acme/pre-pumps-post"));
  EXPECT_FALSE(policy.allows_receive(kSubject, "acme/pre-pumps-pos"));
}

TEST(Policy, CompileNamesWhatIsWrong) {
  struct Case {
    const char* filter;
    std::string_view reason;
  };
  const Case cases[] = {
      {"", "policy.filter_invalid"},
      {"${tenant}/#/a", "policy.filter_invalid"},
      {"${tenant}/a+", "policy.filter_invalid"},
      {"${tenant}/${device", "policy.filter_invalid"},
      {"${tenant}/a\nb", "policy.filter_invalid"},
      {"${tenant}/${group}${group}", "policy.filter_invalid"},
      {"$share/g", "policy.filter_invalid"},
      {"$share//${tenant}/a", "policy.filter_invalid"},
      {"${tenant}/${user}", "policy.variable_unknown"},
      {"${tenant}/${label.}", "policy.variable_unknown"},
      {"#", "policy.reaches_beyond_tenant"},
      {"+/a", "policy.reaches_beyond_tenant"},
      {"acme/a", "policy.reaches_beyond_tenant"},
      {"${device}/a", "policy.reaches_beyond_tenant"},
      {"${tenant}x/a", "policy.reaches_beyond_tenant"},
      {"$share/g/#", "policy.reaches_beyond_tenant"},
      {"$share/g/$SYS/#", "policy.reaches_beyond_tenant"},
      {"$SYS/#", ""},
      {"${tenant}/#", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(refusal_of(c.filter), c.reason) << c.filter;
  EXPECT_EQ(refusal_of("$share/g/${tenant}/a", PolicyAction::kPublish), "policy.filter_invalid");
  EXPECT_EQ(refusal_of(std::string("${tenant}/") + std::string(kMaxPolicyFilterLength, 'a')), "policy.filter_invalid");
  const std::vector<PolicyRule> many(kMaxPolicyRules + 1, {PolicyAction::kPublish, "${tenant}/a"});
  EXPECT_EQ(Policy::compile(many).error().reason, "policy.too_many_rules");
}

TEST(Policy, TemplatesWithoutVariablesBelowTheTenantAgreeWithTopicFilter) {
  std::mt19937 random(7);
  const std::vector<std::string> alphabet = {"a", "b", "", "+"};
  const auto tail = [&] {
    std::string text;
    const int levels = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < levels; ++i) {
      if (i + 1 == levels && random() % 4 == 0) return text + "/#";
      text += "/" + alphabet[random() % alphabet.size()];
    }
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    const std::string outer = tail();
    const std::string inner = tail();
    const Policy policy = policy_of({{PolicyAction::kSubscribe, "${tenant}" + outer}});
    ASSERT_EQ(policy.allows_subscribe(kSubject, "acme" + inner), filter_covers("acme" + outer, "acme" + inner))
        << outer << " / " << inner;
    if (inner.find_first_of("+#") != std::string::npos) continue;
    ASSERT_EQ(policy.allows_receive(kSubject, "acme" + inner), filter_matches("acme" + outer, "acme" + inner));
  }
}

TEST(Policy, DecidingDoesNotAllocate) {
  const Policy policy = policy_of(default_policy_rules());
  const std::size_t before = allocations;
  const bool allowed = policy.allows_publish(kSubject, "acme/d1/responses/42");
  const bool denied = policy.allows_subscribe(kSubject, "acme/d2/commands/#");
  const std::size_t after = allocations;
  EXPECT_TRUE(allowed);
  EXPECT_FALSE(denied);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace muster
