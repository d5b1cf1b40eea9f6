// SPDX-License-Identifier: Apache-2.0
//
// As entity_line_test.cpp: what server and edge write of policies, attachments and grants, and what the edge reads.
#include <gtest/gtest.h>

#include "api/edge_json.h"
#include "edge/agent/entity_reader.h"
#include "edge/entity_line.h"

namespace muster {
namespace {

void expect_same(const registry::EntityFacts& facts, const edge::IdentityChange& state) {
  const std::string line = api::entity_line(facts);
  EXPECT_EQ(line, edge::to_entity_line(state));
  const auto read = edge::parse_stream_line(line);
  ASSERT_TRUE(read.ok()) << line;
  EXPECT_EQ(std::get<edge::IdentityChange>(*read), state) << line;
}

TEST(PolicyLine, OfATenantsAttachmentsIsTheSameOnServerAndEdge) {
  const TenantId id = TenantId::random();
  for (const PolicyId& fallback : {PolicyId{}, PolicyId::random()}) {
    for (const PolicyAttachments& policies :
         {PolicyAttachments{fallback, {}},
          PolicyAttachments{fallback, {{"A", PolicyId::random()}, {"a", PolicyId::random()}}}}) {
      expect_same(registry::TenantFacts{id, "acme", registry::Standing::kActive, policies},
                  edge::TenantState{id, "acme", edge::EntityStatus::kActive, policies});
    }
  }
}

TEST(PolicyLine, OfRulesAndLimitsIsTheSameOnServerAndEdge) {
  const PolicyId id = PolicyId::random();
  const TenantId tenant = TenantId::random();
  std::vector<PolicyRule> rules;
  Limits limits;
  for (const PolicyAction action : kPolicyActions) {
    for (const std::uint8_t qos : {0, 1, 2}) {
      for (const std::uint32_t payload : {0U, 1U, 268'435'454U, kAnyPayload}) {
        rules.push_back({action, "${tenant}/\"x\"", qos, payload});
      }
    }
    expect_same(registry::PolicyFacts{id, tenant, registry::Standing::kActive, rules, limits},
                edge::PolicyState{id, tenant, edge::EntityStatus::kActive, rules, limits});
    limits.payload_octets = 17;
    limits.publish_octets_per_second = 4'294'967'295U;
  }
}

TEST(PolicyLine, OfGrantsIsTheSameOnServerAndEdge) {
  const DeviceId id = DeviceId::random();
  const TenantId tenant = TenantId::random();
  registry::DeviceFacts facts{id, tenant, "gw", registry::Standing::kActive, {}, {}, {}};
  edge::DeviceState state{id, tenant, "gw", edge::EntityStatus::kActive, {}, {}, {}};
  PolicyActions actions;
  for (const PolicyAction action : kPolicyActions) {
    actions.add(action);
    const GrantRule rule{actions, "a/\"b\"/#", static_cast<std::uint8_t>(actions.bits() % 3), actions.bits()};
    const DeviceId on = DeviceId::random();
    facts.grants.push_back({on, "meter", rule});
    state.grants.push_back({on, "meter", rule});
    expect_same(facts, state);
  }
}

TEST(PolicyLine, OfSomethingThatThisEdgeDoesNotKnowIsRefused) {
  const std::string id = TenantId::random().text();
  const std::string policy =
      R"({"type":"policy","id":")" + id + R"(","tenant_id":")" + id + R"(","status":"active","rules":)";
  for (const std::string& rest : {std::string(R"([{"action":"forward","filter":"a"}]})"),
                                  std::string(R"([{"action":"publish","filter":"a","max_qos":3}]})"),
                                  std::string(R"([{"action":"publish","filter":"a","max_payload":268435456}]})"),
                                  std::string(R"([],"limits":{"speed":1}})"),
                                  std::string(R"([],"limits":{"payload_octets":-1}})"), std::string(R"([1]})")}) {
    EXPECT_EQ(edge::parse_stream_line(policy + rest).error().reason, "edge.stream_malformed") << rest;
  }
  EXPECT_TRUE(edge::parse_stream_line(policy + "[]}").ok());
}

}  // namespace
}  // namespace muster
