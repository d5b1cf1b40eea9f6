// SPDX-License-Identifier: Apache-2.0
#include "edge/external_trust.h"

#include "edge/entity_codec.h"
#include "edge/entity_line.h"
#include "edge/registration_report.h"
#include "unit/edge/snapshot_folder_fixture.h"

namespace muster::edge {
namespace {

ExternalTrust some_rules() {
  ExternalTrust trust;
  trust.source = DeviceIdSource::kUriSan;
  trust.reports_unknown = true;
  trust.expired_crl = 2;
  trust.prefix = "urn:factory:";
  trust.intermediates = {Bytes{0x30, 1, 7}, Bytes{0x30, 0}};
  trust.crls = {{Fleet::key(3), UtcTime{std::chrono::seconds{1'900'000'000}}}};
  trust.revoked = {{1}, {2}, {3}};
  return trust;
}

TEST(ExternalTrust, GivesBackWhatWasEncoded) {
  for (const ExternalTrust& trust : {ExternalTrust{}, some_rules()}) {
    const auto decoded = decode_external_trust(encode_external_trust(trust).value());
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, trust);
  }
}

TEST(ExternalTrust, RefusesEveryTruncationAndWhatItDoesNotKnow) {
  const Bytes good = encode_external_trust(some_rules()).value();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_external_trust(BytesView{good}.first(size)).ok()) << size;
  }
  for (const std::size_t at : {0U, 1U, 2U}) {  // source, flags, rule for expired CRLs
    Bytes other = good;
    other[at] = 0x40;
    EXPECT_FALSE(decode_external_trust(other).ok()) << at;
  }
  Bytes unsorted = good;
  unsorted[good.size() - 1 - 15] = 0;  // the last key's first octet
  EXPECT_FALSE(decode_external_trust(unsorted).ok());
  EXPECT_FALSE(decode_external_trust(Bytes(64, 0xff)).ok());
}

TEST(ExternalTrust, TooManyRevokedKeysAreNotWritten) {
  ExternalTrust trust;
  trust.revoked.resize(kMaxRevokedKeys + 1);
  EXPECT_EQ(encode_external_trust(trust).error().reason, "snapshot.limit_exceeded");
}

TEST(ExternalTrust, StandsInDeltasAndLines) {
  IssuerState anchor{IssuerId::random(), TenantId::random(), EntityStatus::kSuspended, Fleet::key(9), Bytes{0x30, 4}};
  IssuerState own = anchor;
  anchor.external = encode_external_trust(some_rules()).value();
  for (const IssuerState& issuer : {anchor, own}) {
    Bytes octets;
    ASSERT_TRUE(append_entity(octets, issuer).ok());
    BytesView rest{octets};
    const auto taken = take_entity(rest);
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(std::get<IssuerState>(*taken), issuer);
  }
  EXPECT_NE(to_entity_line(anchor).find(R"(,"external":")"), std::string::npos);
  EXPECT_EQ(to_entity_line(own).find("external"), std::string::npos);
}

TEST_F(SnapshotFolderTest, HoldsAnchorsBesideIssuers) {
  const Fleet fleet{2};
  IssuerState anchor{IssuerId::random(), fleet.acme.id, EntityStatus::kActive, Fleet::key(9), Bytes{0x30, 4}};
  anchor.external = encode_external_trust(some_rules()).value();
  auto entities = fleet.entities();
  entities.emplace_back(anchor);
  auto folder = writer();
  ASSERT_TRUE(folder.write_base(at(1), entities).ok());

  auto view = reader()->refresh().value()->view;
  ASSERT_EQ(view->find_issuers_by_key(Fleet::key(9)).size(), 1U);
  const BytesView held = view->find_issuers_by_key(Fleet::key(9))[0].external;
  EXPECT_EQ(Bytes(held.begin(), held.end()), anchor.external);
  EXPECT_TRUE(view->find_issuers_by_key(Fleet::key(1))[0].external.empty());

  // Also after it changed, and after everything was written anew.
  ExternalTrust stricter = some_rules();
  stricter.revoked.clear();
  anchor.external = encode_external_trust(stricter).value();
  ASSERT_TRUE(folder.write_delta(at(1), at(2), std::vector<IdentityChange>{anchor}).ok());
  ASSERT_TRUE(folder.compact().ok());
  view = reader()->refresh().value()->view;
  const BytesView newer = view->find_issuers_by_key(Fleet::key(9))[0].external;
  EXPECT_EQ(Bytes(newer.begin(), newer.end()), anchor.external);
}

TEST(RegistrationReport, GivesBackWhatWasEncodedAndRefusesAnythingElse) {
  const RegistrationReport report{TenantId::random(), IssuerId::random(), {Bytes{0x30, 1}, Bytes{0x30, 2, 3}}};
  const Bytes good = encode_report(report);
  EXPECT_EQ(decode_report(good).value(), report);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_report(BytesView{good}.first(size)).ok()) << size;
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes altered = good;
    altered[at] ^= 1;
    EXPECT_FALSE(decode_report(altered).ok()) << at;
  }
  EXPECT_FALSE(decode_report(encode_report({report.tenant_id, report.anchor_id, {}})).ok());
  EXPECT_FALSE(decode_report(encode_report({report.tenant_id, report.anchor_id, std::vector<Bytes>(10)})).ok());
}

}  // namespace
}  // namespace muster::edge
