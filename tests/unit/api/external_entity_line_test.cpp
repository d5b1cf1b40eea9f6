// SPDX-License-Identifier: Apache-2.0
//
// Trust anchors and bound devices are the same lines on the server and at the edge, else digests would differ.
#include <gtest/gtest.h>

#include <algorithm>

#include "api/edge_json.h"
#include "core/encoding.h"
#include "edge/entity_line.h"
#include "edge/external_trust.h"
#include "x509/external_chain.h"

namespace muster::api {
namespace {

registry::TrustAnchorFacts some_anchor() {
  registry::TrustAnchorFacts facts;
  facts.id = IssuerId::random();
  facts.tenant_id = TenantId::random();
  facts.standing = registry::Standing::kActive;
  facts.spki_sha256.fill(7);
  facts.certificate = Bytes{0x30, 1, 2};
  facts.intermediates = {Bytes{0x30, 3}};
  facts.source = DeviceIdSource::kUriSan;
  facts.prefix = "urn:x:";
  facts.registers_devices = true;
  return facts;
}

edge::ExternalTrust rules_in(const registry::TrustAnchorFacts& facts) {
  const std::string line = entity_line(facts);
  const std::size_t start = line.find(R"("external":")") + 12;
  const auto octets = from_base64(line.substr(start, line.find('"', start) - start));
  return edge::decode_external_trust(octets.value()).value();
}

TEST(ExternalEntityLine, OfAnAnchorIsTheSameOnServerAndEdge) {
  const auto facts = some_anchor();
  edge::IssuerState state{facts.id, facts.tenant_id, edge::EntityStatus::kActive, facts.spki_sha256, facts.certificate};
  state.external = edge::encode_external_trust(rules_in(facts)).value();
  EXPECT_EQ(entity_line(facts), edge::to_entity_line(state));
}

TEST(ExternalEntityLine, RulesArriveAsTheyAre) {
  auto facts = some_anchor();
  auto rules = rules_in(facts);
  EXPECT_EQ(rules.source, DeviceIdSource::kUriSan);
  EXPECT_EQ(rules.prefix, "urn:x:");
  EXPECT_TRUE(rules.reports_unknown);
  EXPECT_EQ(rules.intermediates, facts.intermediates);
  EXPECT_EQ(rules.expired_crl, 0);  // none was ever used

  facts.uses_crls = true;
  EXPECT_EQ(rules_in(facts).expired_crl, 1);
  facts.fail_closed = false;
  EXPECT_EQ(rules_in(facts).expired_crl, 2);
}

TEST(ExternalEntityLine, RevocationsAreSortedAndEachOnce) {
  auto facts = some_anchor();
  facts.revoked = Bytes(16, 9);
  const Bytes low(16, 1);
  facts.revoked.insert(facts.revoked.end(), low.begin(), low.end());
  facts.revoked.insert(facts.revoked.end(), low.begin(), low.end());
  Sha256 certificate{};
  certificate.fill(5);
  facts.revoked_certificates = {certificate};
  const auto rules = rules_in(facts);
  ASSERT_EQ(rules.revoked.size(), 3U);
  EXPECT_TRUE(std::ranges::is_sorted(rules.revoked));
  EXPECT_NE(std::ranges::find(rules.revoked, x509::revocation_key(certificate)), rules.revoked.end());
}

TEST(ExternalEntityLine, OfABoundDeviceIsACertificateThatNeverEnds) {
  registry::ExternalCredentialFacts facts;
  facts.id.fill(3);
  facts.tenant_id = TenantId::random();
  facts.device_id = DeviceId::random();
  facts.anchor_id = IssuerId::random();
  facts.standing = registry::Standing::kActive;
  EXPECT_EQ(entity_line(facts), edge::to_entity_line(edge::CertificateState{
                                    facts.id, facts.tenant_id, facts.device_id, facts.anchor_id,
                                    edge::EntityStatus::kActive, parse_rfc3339("9999-12-31T23:59:59Z").value()}));
}

}  // namespace
}  // namespace muster::api
