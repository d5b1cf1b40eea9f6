// SPDX-License-Identifier: Apache-2.0
//
// Server and edge each write an entity's line by themselves and compare digests over the lines. Where one octet
// differs, every edge would load everything again for ever.
#include "edge/entity_line.h"

#include <gtest/gtest.h>

#include "api/edge_json.h"
#include "core/encoding.h"
#include "edge/base_file.h"
#include "x509/sha256.h"

namespace muster {
namespace {

edge::EntityStatus status_of(registry::Standing standing) {
  switch (standing) {
    case registry::Standing::kActive: return edge::EntityStatus::kActive;
    case registry::Standing::kSuspended: return edge::EntityStatus::kSuspended;
    case registry::Standing::kGone: return edge::EntityStatus::kGone;
  }
  return edge::EntityStatus::kGone;
}

constexpr registry::Standing kStandings[] = {registry::Standing::kActive, registry::Standing::kSuspended,
                                             registry::Standing::kGone};
const UtcTime kEnd = parse_rfc3339("2027-02-28T23:59:59Z").value();

// What a label, group or filter may hold or could come to hold: quotes, controls, astral characters, text that is not
// UTF-8, HTML, the separators that JavaScript dislikes.
const std::vector<std::string> kTexts = {"",
                                         "plain",
                                         "\"quoted\" \\back\\slash/",
                                         "tab\tline\nreturn\rbell\a\b\f",
                                         std::string("nul\0inside", 10),
                                         "\x01\x1f\x7f",
                                         "Gr\xc3\xb6\xc3\x9f"
                                         "e \xe6\xb8\xa9\xe5\xba\xa6",
                                         "\xf0\x9f\x8c\xa1",
                                         "\xe2\x80\xa8 and \xe2\x80\xa9",
                                         "\xff\xfe not UTF-8 \xc3",
                                         "\xed\xa0\x80 a surrogate",
                                         "</script>&'",
                                         "00:1a:2b:3c",
                                         "urn:dev:ow:10e2073a01080063"};

void expect_same(const registry::EntityFacts& facts, const edge::IdentityChange& state) {
  EXPECT_EQ(api::entity_line(facts), edge::to_entity_line(state));
  api::StateDigest digest;
  digest.add(facts);
  EXPECT_EQ(digest.hex(), to_hex(x509::sha256(as_bytes(edge::to_entity_line(edge::held_form(state))))));
}

TEST(EntityLine, OfATenantIsTheSameOnServerAndEdge) {
  for (const auto standing : kStandings) {
    for (const std::string& name : kTexts) {
      const TenantId id = TenantId::random();
      expect_same(registry::TenantFacts{id, name, standing}, edge::TenantState{id, name, status_of(standing)});
    }
  }
}

TEST(EntityLine, OfAnIssuerIsTheSameOnServerAndEdge) {
  for (const std::size_t size : {0, 1, 2, 3, 255, 1'000}) {  // every padding of base64
    const IssuerId id = IssuerId::random();
    const TenantId tenant = TenantId::random();
    Sha256 spki{};
    spki.fill(static_cast<std::uint8_t>(size));
    const Bytes der(size, 0xfb);
    expect_same(registry::IssuerFacts{id, tenant, registry::Standing::kActive, spki, der},
                edge::IssuerState{id, tenant, edge::EntityStatus::kActive, spki, der});
  }
}

TEST(EntityLine, OfAPolicyIsTheSameOnServerAndEdge) {
  std::vector<PolicyRule> rules;
  for (const std::string& text : kTexts) {
    const PolicyId id = PolicyId::random();
    const TenantId tenant = TenantId::random();
    expect_same(registry::PolicyFacts{id, tenant, registry::Standing::kSuspended, rules},
                edge::PolicyState{id, tenant, edge::EntityStatus::kSuspended, rules});
    const auto action = rules.size() % 2 == 0 ? PolicyAction::kPublish : PolicyAction::kSubscribe;
    rules.push_back({action, "${tenant}/${label." + text + "}/#"});
  }
}

TEST(EntityLine, OfADeviceIsTheSameOnServerAndEdge) {
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::string>> labels;
  for (const std::string& text : kTexts) {
    for (const PolicyId& policy : {PolicyId{}, PolicyId::random()}) {
      for (const auto standing : kStandings) {
        const DeviceId id = DeviceId::random();
        const TenantId tenant = TenantId::random();
        expect_same(registry::DeviceFacts{id, tenant, text, standing, policy, groups, labels},
                    edge::DeviceState{id, tenant, text, status_of(standing), policy, groups, labels});
      }
    }
    groups.push_back(text);
    labels.emplace_back(text, text);
  }
}

TEST(EntityLine, OfACertificateIsTheSameOnServerAndEdge) {
  for (const auto standing : kStandings) {
    for (const UtcTime end : {UtcTime{}, kEnd, parse_rfc3339("9999-12-31T23:59:59Z").value()}) {
      Sha256 id{};
      id.fill(0xa5);
      const TenantId tenant = TenantId::random();
      const DeviceId device = DeviceId::random();
      const IssuerId issuer = IssuerId::random();
      expect_same(registry::CertificateFacts{id, tenant, device, issuer, standing, end},
                  edge::CertificateState{id, tenant, device, issuer, status_of(standing), end});
    }
  }
}

}  // namespace
}  // namespace muster
