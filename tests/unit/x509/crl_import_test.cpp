// SPDX-License-Identifier: Apache-2.0
#include "x509/crl_import.h"

#include <gtest/gtest.h>

#include "unit/x509/made_pki.h"
#include "x509/crl_collection.h"
#include "x509/reasons.h"
#include "x509/revocation.h"

namespace muster::x509 {
namespace {

const UtcTime kNow = parse_rfc3339("2026-06-15T00:00:00Z").value();
const CrlPolicy kPolicy{.now = kNow};

struct ImportOfCrl : ::testing::Test {
  std::string reason(const made::CrlSpec& spec, const CrlPolicy& policy = kPolicy) const {
    const auto crl = check_crl(made::crl_der(spec), root.certificate, policy);
    return crl.ok() ? "" : std::string(crl.error().reason);
  }
  made::CrlSpec spec() const { return {root.name, root.key}; }
  ImportedCrl import(const made::CrlSpec& from, const CrlPolicy& policy = kPolicy) const {
    return check_crl(made::crl_der(from), root.certificate, policy).value();
  }
  Certificate leaf(long serial, const made::Extensions& extensions = {}) const {
    return made::certificate({"leaf", made::new_key(), root.name, root.key, extensions, serial});
  }
  RevocationStatus status(const Certificate& certificate, const std::vector<ImportedCrl>& crls,
                          bool accept_expired = false, UtcTime now = kNow) const {
    return revocation_status({certificate, root.certificate, root.certificate.spki_sha256(), now, accept_expired}, crls)
        .status;
  }
  const made::Root root{"root"};
};

TEST_F(ImportOfCrl, GivesNumberDatesAndEntries) {
  made::CrlSpec from = spec();
  from.revoked = {300, 7};
  const ImportedCrl crl = import(from);
  EXPECT_EQ(crl.number_hex, "05");
  EXPECT_EQ(to_rfc3339(crl.this_update), "2026-06-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(*crl.next_update), "2026-07-01T00:00:00Z");
  EXPECT_NE(crl.find("07"), nullptr);
  EXPECT_NE(crl.find("012c"), nullptr);
  EXPECT_EQ(crl.find("08"), nullptr);
  EXPECT_EQ(crl.scope, CrlScope{});
}

TEST_F(ImportOfCrl, OfAnotherIssuerIsRefused) {
  made::CrlSpec from = spec();
  from.issuer = "other";
  EXPECT_EQ(reason(from), reasons::kCrlIssuerMismatch);
}

TEST_F(ImportOfCrl, SignedByAnotherKeyIsRefused) {
  made::CrlSpec from = spec();
  from.key = made::new_key();
  EXPECT_EQ(reason(from), reasons::kSignatureInvalid);
}

TEST_F(ImportOfCrl, DamagedInAnyOctetIsRefused) {
  const Bytes good = made::crl_der(spec());
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes damaged = good;
    damaged[i] ^= 0x55;
    EXPECT_FALSE(check_crl(damaged, root.certificate, kPolicy).ok()) << "octet " << i;
    EXPECT_FALSE(check_crl(BytesView{good}.first(i), root.certificate, kPolicy).ok()) << "first " << i << " octets";
  }
}

TEST_F(ImportOfCrl, OlderThanTheHeldOneIsRefused) {
  CrlPolicy policy = kPolicy;
  policy.held_number_hex = "05";
  EXPECT_EQ(reason(spec(), policy), "");
  policy.held_number_hex = "06";
  EXPECT_EQ(reason(spec(), policy), reasons::kCrlOlderThanHeld);
  policy.held_number_hex = "0100";
  EXPECT_EQ(reason(spec(), policy), reasons::kCrlOlderThanHeld);
  policy.held_number_hex = "04";
  policy.held_this_update = parse_rfc3339("2026-06-01T00:00:01Z").value();
  EXPECT_EQ(reason(spec(), policy), reasons::kCrlOlderThanHeld);
}

TEST_F(ImportOfCrl, WithoutNumberIsRefusedUnlessTheCaKnowsNone) {
  made::CrlSpec from = spec();
  from.extensions.clear();
  EXPECT_EQ(reason(from), reasons::kCrlNumberMissing);
  CrlPolicy policy = kPolicy;
  policy.require_number = false;
  EXPECT_EQ(reason(from, policy), "");
  policy.held_number_hex = "01";  // it came with one before
  EXPECT_EQ(reason(from, policy), reasons::kCrlOlderThanHeld);
}

TEST_F(ImportOfCrl, ExpiredIsRefusedUnlessTheCallerLivesOnWithIt) {
  CrlPolicy policy{.now = parse_rfc3339("2026-07-01T00:00:01Z").value()};
  EXPECT_EQ(reason(spec(), policy), reasons::kCrlExpired);
  policy.accept_expired = true;
  EXPECT_EQ(reason(spec(), policy), "");
  policy.now = parse_rfc3339("2026-05-31T23:59:59Z").value();
  EXPECT_EQ(reason(spec(), policy), reasons::kCrlNotYetValid);
}

TEST_F(ImportOfCrl, WithoutNextUpdateNeedsALimitOfAge) {
  made::CrlSpec from = spec();
  from.next_update.clear();
  EXPECT_EQ(reason(from), reasons::kCrlNextUpdateMissing);
  CrlPolicy policy{.now = kNow, .max_age = std::chrono::days{15}};
  EXPECT_EQ(reason(from, policy), "");
  policy.max_age = std::chrono::days{13};
  EXPECT_EQ(reason(from, policy), reasons::kCrlTooOld);
}

TEST_F(ImportOfCrl, UnknownCriticalExtensionIsRefused) {
  made::CrlSpec from = spec();
  from.extensions.push_back({"1.3.6.1.4.1.55738.1", "critical,DER:0500"});
  EXPECT_EQ(reason(from), reasons::kCrlExtensionUnsupported);
}

TEST_F(ImportOfCrl, IndirectAndDeltaAreRefusedUnlessAskedFor) {
  made::CrlSpec from = spec();
  from.extensions.push_back({"2.5.29.28", "critical,DER:30038401FF"});
  EXPECT_EQ(reason(from), reasons::kCrlIndirectUnsupported);
  from = spec();
  from.extensions.push_back({"2.5.29.27", "critical,DER:020104"});
  EXPECT_EQ(reason(from), reasons::kCrlDeltaUnexpected);
  CrlPolicy policy = kPolicy;
  policy.accept_delta = true;
  EXPECT_EQ(import(from, policy).base_number_hex, "04");
}

TEST_F(ImportOfCrl, IssuerWithoutCrlSignIsRefused) {
  const made::Key key = made::new_key();
  const Certificate issuer = made::certificate(
      {"CA", key, "CA", key, {{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign"}}});
  EXPECT_EQ(check_crl(made::crl_der({"CA", key}), issuer, kPolicy).error().reason, reasons::kCrlIssuerKeyUsage);
}

TEST_F(ImportOfCrl, WeakKeyIsRefusedByDefault) {
  const made::Key key = made::new_rsa_key(1024);
  const Certificate issuer = made::certificate({"CA", key, "CA", key, made::ca_extensions()});
  const Bytes der = made::crl_der({"CA", key});
  EXPECT_EQ(check_crl(der, issuer, kPolicy).error().reason, reasons::kKeySizeUnsupported);
  CrlPolicy policy = kPolicy;
  policy.algorithms.allow_legacy = true;
  EXPECT_TRUE(check_crl(der, issuer, policy).ok());
}

TEST_F(ImportOfCrl, RevocationIsFoundBySerial) {
  made::CrlSpec from = spec();
  from.revoked = {7};
  EXPECT_EQ(status(leaf(7), {import(from)}), RevocationStatus::kRevoked);
  EXPECT_EQ(status(leaf(8), {import(from)}), RevocationStatus::kGood);
  EXPECT_EQ(status(leaf(8), {}), RevocationStatus::kUndetermined);
}

// Two CAs of one name, in one deployment or by malice: each one's list counts for its own certificates only.
TEST_F(ImportOfCrl, ListOfANamesakeSaysNothing) {
  const made::Root namesake{root.name};
  const auto crl = check_crl(made::crl_der({namesake.name, namesake.key}), namesake.certificate, kPolicy).value();
  EXPECT_EQ(status(leaf(7), {crl}), RevocationStatus::kUndetermined);
}

TEST_F(ImportOfCrl, AfterItsNextUpdateItCountsOnlyAsLastKnownGood) {
  const UtcTime later = parse_rfc3339("2026-07-02T00:00:00Z").value();
  made::CrlSpec from = spec();
  from.revoked = {7};
  EXPECT_EQ(status(leaf(8), {import(from)}, false, later), RevocationStatus::kUndetermined);
  EXPECT_EQ(status(leaf(8), {import(from)}, true, later), RevocationStatus::kGood);
  EXPECT_EQ(status(leaf(7), {import(from)}, true, later), RevocationStatus::kRevoked);
}

TEST_F(ImportOfCrl, ShardSpeaksOnlyForCertificatesThatPointAtIt) {
  made::CrlSpec from = spec();
  const std::string shard = "http://crl.example.com/1.crl";
  const std::string uri = "861C687474703A2F2F63726C2E6578616D706C652E636F6D2F312E63726C";  // [6] shard
  from.extensions.push_back({"2.5.29.28", "critical,DER:3022A020A01E" + uri});
  const Certificate inside = leaf(7, {{"crlDistributionPoints", "URI:" + shard}});
  const Certificate outside = leaf(7, {{"crlDistributionPoints", "URI:http://crl.example.com/2.crl"}});
  EXPECT_EQ(status(inside, {import(from)}), RevocationStatus::kGood);
  EXPECT_EQ(status(outside, {import(from)}), RevocationStatus::kUndetermined);
}

TEST_F(ImportOfCrl, DeltaAmendsTheCompleteList) {
  CrlPolicy policy = kPolicy;
  policy.accept_delta = true;
  made::CrlSpec delta = spec();
  delta.extensions = {{"2.5.29.20", "DER:020106"}, {"2.5.29.27", "critical,DER:020105"}};
  delta.revoked = {7};
  EXPECT_EQ(status(leaf(7), {import(spec()), import(delta, policy)}), RevocationStatus::kRevoked);
  EXPECT_EQ(status(leaf(7), {import(delta, policy)}), RevocationStatus::kUndetermined) << "a delta alone says nothing";
}

TEST_F(ImportOfCrl, SignersOfOthersAreTriedALimitedNumberOfTimes) {
  std::vector<Bytes> ders(100, made::crl_der({root.name, made::new_key()}));
  ders.push_back(made::crl_der(spec()));
  const std::vector<BytesView> views{ders.begin(), ders.end()};
  const std::vector<Certificate> certificates(100, root.certificate);
  const std::span anchors{&root.certificate, 1};
  EXPECT_TRUE(collect_crls({views, certificates, anchors}, {.now = kNow}, kPolicy).empty());
  EXPECT_EQ(collect_crls({std::span{views}.last(1), {}, anchors}, {.now = kNow}, kPolicy).size(), 1u);
}

}  // namespace
}  // namespace muster::x509
