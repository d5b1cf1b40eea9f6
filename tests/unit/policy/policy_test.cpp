// SPDX-License-Identifier: Apache-2.0
#include "core/policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <new>
#include <random>
#include <utility>

#include "core/policy_attachment.h"
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
const PolicySubject kSubject{"acme", "d1", kGroups, kLabels, "0a1b2c"};

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
  const Policy plain = policy_of({{PolicyAction::kSubscribe, "${tenant}/jobs/#"}});
  EXPECT_FALSE(plain.allows_subscribe(kSubject, "$share/g/acme/jobs/x"));
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
      {"${tenant}/#", "policy.reaches_other_devices"},
      {"${tenant}/+/commands/#", "policy.reaches_other_devices"},
      {"$share/g/${tenant}/#", "policy.reaches_other_devices"},
      {"$share/g/${tenant}/+/a", "policy.reaches_other_devices"},
      {"${tenant}/a/${label.no/name}", "policy.filter_invalid"},
      {"${tenant}/a/${label.-x}", "policy.variable_unknown"},
      {"${tenant}/a/${cert.issuer}", "policy.variable_unknown"},
      {"$SYS/#", ""},
      {"${tenant}", ""},
      {"${tenant}/${group}/#", ""},
      {"${tenant}/${device}/${cert.serial}/+", ""},
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
    std::string text = "/x";
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

TEST(Policy, OwnTopicsWithTextAloneAreComparedAsOnePiece) {
  const Policy policy = policy_of({{PolicyAction::kSubscribe, "${tenant}/${device}/a/b/#"},
                                   {PolicyAction::kSubscribe, "${tenant}/${device}/c"},
                                   {PolicyAction::kSubscribe, "${tenant}/${device}//e/"}});
  for (const char* topic : {"acme/d1/a/b", "acme/d1/a/b/", "acme/d1/a/b/c/d", "acme/d1/c", "acme/d1//e/"}) {
    EXPECT_TRUE(policy.allows_receive(kSubject, topic)) << topic;
    EXPECT_TRUE(policy.allows_subscribe(kSubject, topic)) << topic;
  }
  for (const char* topic : {"acme/d1", "acme/d1/", "acme/d1/a", "acme/d1/a/bc", "acme/d1/c/", "acme/d1/c/d",
                            "acme/d1/e", "acme/d1//e", "acme/d12/c", "acme/d1/a/b#"}) {
    EXPECT_FALSE(policy.allows_receive(kSubject, topic)) << topic;
  }
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/d1/a/b/#"));
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/d1/a/b/+"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/d1/a/#"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/d1/a/+"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/d1/c/#"));
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/+/c"));

  // Texts around the longest that a rule holds by itself; the others are compared level by level.
  for (std::size_t size = 1; size < 60; ++size) {
    const std::string text(size, 't');
    const Policy long_one = policy_of({{PolicyAction::kPublish, "${tenant}/${device}/" + text + "/#"}});
    EXPECT_TRUE(long_one.allows_publish(kSubject, "acme/d1/" + text)) << size;
    EXPECT_TRUE(long_one.allows_publish(kSubject, "acme/d1/" + text + "/x")) << size;
    EXPECT_FALSE(long_one.allows_publish(kSubject, "acme/d1/" + text + "t")) << size;
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = 'u';
      EXPECT_FALSE(long_one.allows_publish(kSubject, "acme/d1/" + other)) << size << " " << at;
    }
  }

  const Policy all = policy_of({{PolicyAction::kSubscribe, "${tenant}/${device}/#"}});
  for (const char* filter : {"acme/d1", "acme/d1/", "acme/d1/#", "acme/d1/+/x"}) {
    EXPECT_TRUE(all.allows_subscribe(kSubject, filter)) << filter;
  }
  EXPECT_FALSE(all.allows_subscribe(kSubject, "acme/d12/#"));
  const Policy bare = policy_of({{PolicyAction::kPublish, "${tenant}/${device}"}});
  EXPECT_TRUE(bare.allows_publish(kSubject, "acme/d1"));
  EXPECT_FALSE(bare.allows_publish(kSubject, "acme/d1/"));
}

// A hostile device: a topic that is its own but for one octet, or by one octet too short or long, is another's.
TEST(Policy, ATopicThatDiffersInOneOctetIsAnothersWhereverItDiffers) {
  const PolicySubject subject{"acme-industries", "pump-100123", {}, {}};
  const std::string own = "acme-industries/pump-100123";
  const Policy policy = policy_of({{PolicyAction::kPublish, "${tenant}/${device}/telemetry/#"},
                                   {PolicyAction::kSubscribe, "${tenant}/${device}/commands/#"}});
  const auto reaches = [&](const std::string& principal) {
    return policy.allows_publish(subject, principal + "/telemetry/x") ||
           policy.allows_receive(subject, principal + "/commands/x") ||
           policy.allows_subscribe(subject, principal + "/commands/#");
  };
  ASSERT_TRUE(policy.allows_publish(subject, own + "/telemetry/x"));
  ASSERT_TRUE(policy.allows_subscribe(subject, own + "/commands/#"));
  for (std::size_t at = 0; at < own.size(); ++at) {
    for (const char octet : {'x', '/', '+', '#', '\0', '\x7f'}) {
      std::string other = own;
      other[at] = octet;
      EXPECT_TRUE(other == own || !reaches(other)) << other;
    }
    EXPECT_FALSE(reaches(own.substr(0, at))) << at;
    EXPECT_FALSE(reaches(std::string(own).insert(at, 1, 'x'))) << at;
    EXPECT_FALSE(reaches(std::string(own).erase(at, 1))) << at;
  }
  for (const std::string& other : {own + "x", "/" + own, own + "/", own + "/" + own})
    EXPECT_FALSE(reaches(other)) << other;
}

// A hostile tenant admin: however long a template is, and whatever it repeats, it stays below the device's own name.
TEST(Policy, LongAndRepeatedTemplatesReachNoFurther) {
  const std::string text(50, 't');
  for (const std::string_view rest :
       {"x/${device}/#", "${tenant}/${device}/#", "${device}/${device}/x", "${tenant}/x/${device}"}) {
    for (const std::string& before : {std::string(), text + "/"}) {
      const std::string filter = "${tenant}/${device}/" + before + std::string(rest);
      const Policy policy = policy_of({{PolicyAction::kPublish, filter}});
      for (const char* other : {"acme/d2", "acme/x", "globex/d1", "d1/acme", "acme"}) {
        const std::string below = std::string(other) + "/" + before;
        for (const char* tail : {"x/d1/y", "x/d2/y", "acme/d1/y", "d1/d1/x", "acme/x/d1", "d2/d2/x"}) {
          EXPECT_FALSE(policy.allows_publish(kSubject, below + tail)) << filter << " " << below << tail;
        }
      }
    }
  }
  const Policy repeated = policy_of({{PolicyAction::kPublish, "${tenant}/${device}/x/${device}/#"}});
  EXPECT_TRUE(repeated.allows_publish(kSubject, "acme/d1/x/d1/y"));
  EXPECT_FALSE(repeated.allows_publish(kSubject, "acme/d1/x/d2/y"));
}

TEST(Policy, WhatADocumentDoesNotSpeakOfFollowsWhatItDoes) {
  using Action = PolicyAction;
  const auto allowed = [](const Policy& policy, Action action, const char* topic) {
    return policy.find(action, kSubject, topic).allowed();
  };
  const Policy silent =
      policy_of({{Action::kPublish, "${tenant}/${device}/p"}, {Action::kSubscribe, "${tenant}/${device}/s/#"}});
  EXPECT_TRUE(allowed(silent, Action::kReceive, "acme/d1/s/x"));
  EXPECT_TRUE(allowed(silent, Action::kWill, "acme/d1/p"));
  EXPECT_FALSE(allowed(silent, Action::kWill, "acme/d1/s/x"));
  EXPECT_TRUE(allowed(silent, Action::kRetain, "acme/d1/p"));

  const Policy outspoken = policy_of({{Action::kPublish, "${tenant}/${device}/p/#"},
                                      {Action::kSubscribe, "${tenant}/${device}/s/#"},
                                      {Action::kReceive, "${tenant}/${device}/s/1"},
                                      {Action::kWill, "${tenant}/${device}/last"},
                                      {Action::kRetain, "${tenant}/${device}/p/1"}});
  EXPECT_TRUE(allowed(outspoken, Action::kReceive, "acme/d1/s/1"));
  EXPECT_FALSE(allowed(outspoken, Action::kReceive, "acme/d1/s/2"));
  EXPECT_TRUE(allowed(outspoken, Action::kSubscribe, "acme/d1/s/2"));
  EXPECT_TRUE(allowed(outspoken, Action::kWill, "acme/d1/last"));
  EXPECT_FALSE(allowed(outspoken, Action::kWill, "acme/d1/p/1"));
  EXPECT_FALSE(allowed(outspoken, Action::kPublish, "acme/d1/last"));
  EXPECT_TRUE(allowed(outspoken, Action::kRetain, "acme/d1/p/1"));
  EXPECT_FALSE(allowed(outspoken, Action::kRetain, "acme/d1/p/2"));

  const Policy nothing =
      policy_of({{Action::kPublish, "${tenant}/${device}/p"}, {Action::kRetain, ""}, {Action::kWill, ""}});
  EXPECT_TRUE(allowed(nothing, Action::kPublish, "acme/d1/p"));
  EXPECT_FALSE(allowed(nothing, Action::kRetain, "acme/d1/p"));
  EXPECT_FALSE(allowed(nothing, Action::kWill, "acme/d1/p"));
}

TEST(Policy, RulesHoldTheirLimits) {
  using Kind = PolicyMatch::Kind;
  const Policy policy = policy_of({{PolicyAction::kPublish, "${tenant}/${device}/a/#", 0, 100},
                                   {PolicyAction::kPublish, "${tenant}/${device}/a/large", 1, 1000},
                                   {PolicyAction::kSubscribe, "${tenant}/${device}/s", 0}});
  const auto at = [&](const char* topic, std::uint8_t qos, std::uint32_t payload) {
    return policy.find(PolicyAction::kPublish, kSubject, topic, {qos, payload});
  };
  EXPECT_EQ(at("acme/d1/a/x", 0, 100).kind, Kind::kAllowed);
  EXPECT_EQ(at("acme/d1/a/x", 0, 101).kind, Kind::kPayloadTooLarge);
  EXPECT_EQ(at("acme/d1/a/x", 1, 100).kind, Kind::kQosTooHigh);
  EXPECT_EQ(at("acme/d1/a/large", 1, 1000).kind, Kind::kAllowed);
  EXPECT_EQ(at("acme/d1/a/large", 1, 1000).rule, 1);
  EXPECT_EQ(at("acme/d1/a/large", 0, 1001).kind, Kind::kPayloadTooLarge);
  EXPECT_EQ(at("acme/d1/b", 0, 0).kind, Kind::kNone);
  EXPECT_TRUE(policy.find(PolicyAction::kSubscribe, kSubject, "acme/d1/s", {0, 0}).allowed());
  EXPECT_EQ(policy.find(PolicyAction::kSubscribe, kSubject, "acme/d1/s", {1, 0}).kind, Kind::kQosTooHigh);
  EXPECT_TRUE(policy.find(PolicyAction::kReceive, kSubject, "acme/d1/s", {1, 5000}).allowed());
}

TEST(Policy, CertificateSerialIsAVariableLikeAnother) {
  const Policy policy = policy_of({{PolicyAction::kPublish, "${tenant}/${device}/by/${cert.serial}"},
                                   {PolicyAction::kPublish, "${tenant}/${device}/in-${cert.serial}-side"}});
  EXPECT_TRUE(policy.allows_publish(kSubject, "acme/d1/by/0a1b2c"));
  EXPECT_TRUE(policy.allows_publish(kSubject, "acme/d1/in-0a1b2c-side"));
  EXPECT_FALSE(policy.allows_publish(kSubject, "acme/d1/by/0a1b2d"));
  PolicySubject unknown = kSubject;
  unknown.certificate_serial = {};
  EXPECT_FALSE(policy.allows_publish(unknown, "acme/d1/by/"));
  EXPECT_FALSE(policy.allows_publish(unknown, "acme/d1/in--side"));
}

// What was accepted once and would not be today takes nothing else with it.
TEST(Policy, StoredRulesThatAreRefusedByNowMatchNothing) {
  const std::vector<PolicyRule> rules = {{PolicyAction::kSubscribe, "${tenant}/#"},
                                         {PolicyAction::kSubscribe, "${tenant}/${device}/s"},
                                         {PolicyAction::kRetain, "${tenant}/+/x"},
                                         {PolicyAction::kPublish, "${tenant}/${device}/p"}};
  const Policy policy = Policy::compile_stored(rules);
  EXPECT_FALSE(policy.allows_subscribe(kSubject, "acme/d2/x"));
  EXPECT_TRUE(policy.allows_subscribe(kSubject, "acme/d1/s"));
  EXPECT_EQ(policy.find(PolicyAction::kSubscribe, kSubject, "acme/d1/s").rule, 1);
  EXPECT_FALSE(policy.find(PolicyAction::kRetain, kSubject, "acme/d1/p").allowed()) << "the document speaks of it";
  EXPECT_TRUE(policy.allows_publish(kSubject, "acme/d1/p"));
}

TEST(PolicyInForceOrder, IsDeviceThenFirstGroupByNameThenTenantThenBuiltIn) {
  using From = PolicyInForce::From;
  const PolicyId own = PolicyId::random();
  const PolicyId a = PolicyId::random();
  const PolicyId b = PolicyId::random();
  const PolicyId fallback = PolicyId::random();
  const PolicyAttachments attachments{fallback, {{"Z", a}, {"a", b}}};
  const std::vector<std::string_view> groups = {"A", "Z", "a"};

  EXPECT_EQ(policy_in_force(own, groups, attachments).id, own);
  EXPECT_EQ(policy_in_force({}, groups, attachments).id, a);
  EXPECT_EQ(policy_in_force({}, groups, attachments).group, "Z");
  EXPECT_EQ(policy_in_force({}, {groups.data() + 2, 1}, attachments).id, b);
  EXPECT_EQ(policy_in_force({}, {groups.data(), 1}, attachments).from, From::kTenant);
  EXPECT_EQ(policy_in_force({}, groups, {}).from, From::kBuiltIn);
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
