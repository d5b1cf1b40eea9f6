// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <set>

#include "core/encoding.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/certificate_store.h"
#include "support/process.h"
#include "support/temp_folder.h"
#include "x509/certificate.h"
#include "x509/crl.h"

namespace muster::enroll {
namespace {

class CrlTest : public EnrollLab {
 protected:
  IssuedCertificate enrol(const LabTenant& tenant, const std::string& device) {
    const DeviceKey key;
    auto issued = authority->enroll(tenant.admin, request(tenant, device, key));
    EXPECT_TRUE(issued.ok()) << to_log_text(issued.error());
    return std::move(issued).value();
  }
  void revoke(const LabTenant& tenant, const IssuedCertificate& certificate) {
    const auto revoked = authority->revoke(tenant.admin, {tenant.id, certificate.id_hex, "superseded"});
    ASSERT_TRUE(revoked.ok()) << to_log_text(revoked.error());
  }
  x509::Crl crl(RegistrationAuthority& by, const IssuerId& issuer, std::uint32_t shard) {
    const auto published = by.crl(issuer, shard);
    EXPECT_TRUE(published.ok()) << to_log_text(published.error());
    return x509::Crl::parse_der(published.value()->der).value();
  }
  static std::set<std::string> serials(const x509::Crl& list) {
    std::set<std::string> found;
    for (const auto& entry : list.entries) found.insert(entry.serial_hex);
    return found;
  }
  std::unique_ptr<RegistrationAuthority> with_shards(std::uint32_t shards) {
    RegistrationAuthorityConfig config;
    config.crl_shards = shards;
    auto made = RegistrationAuthority::create(config, ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(), *pool,
                                              clock, metrics)
                    .value();
    EXPECT_TRUE(made->initialise_deployment().ok());
    return made;
  }
  void fill(const IssuerId& issuer, int count, int first = 1) {
    database.execute(
        "INSERT INTO muster.revocations (issuer_id, crl_shard, serial, revoked_at, reason, not_after) SELECT '" +
        issuer.text() +
        "', 0, decode('40' || lpad(to_hex(n), 38, '0'), 'hex'), now(), (ARRAY[0, 1, 4, 5])[1 + n % 4], now() + "
        "interval '1 year' FROM generate_series(" +
        std::to_string(first) + ", " + std::to_string(first + count - 1) + ") AS n");
  }
  // The number of the CRL that the stored one was added to.
  std::string stored(const IssuerId& issuer) {
    return database.execute("SELECT base FROM muster.crls WHERE issuer_id = '" + issuer.text() + "'");
  }
  IssuerId issuer_of(const LabTenant& tenant) { return authority->ensure_tenant_issuer(platform, tenant.id)->id; }
};

TEST_F(CrlTest, EachCertificateIsOnTheShardItNames) {
  authority = with_shards(4);
  const IssuerId issuer = issuer_of(acme);
  std::map<std::string, std::string> shard_of;  // serial → URI
  for (int i = 0; i < 12; ++i) {
    const auto issued = enrol(acme, "d" + std::to_string(i));
    const std::uint32_t shard = std::stoul(issued.serial_hex.substr(issued.serial_hex.size() - 8), nullptr, 16) % 4;
    shard_of[issued.serial_hex] = "http://127.0.0.1:8080/crl/" + issuer.text() + "/" + std::to_string(shard) + ".crl";
    const auto certificate = x509::Certificate::parse_pem(issued.certificate_pem).value();
    EXPECT_NE(std::string(as_text(certificate.der())).find(shard_of[issued.serial_hex]), std::string::npos);
    revoke(acme, issued);
  }

  std::size_t listed = 0;
  for (std::uint32_t shard = 0; shard < 4; ++shard) {
    const x509::Crl list = crl(*authority, issuer, shard);
    for (const std::string& serial : serials(list)) EXPECT_EQ(shard_of.at(serial), list.distribution_uri);
    listed += list.entries.size();
  }
  EXPECT_EQ(listed, 12u);
  EXPECT_EQ(authority->crl(issuer, 4).error().reason, "enroll.crl_shard_unknown");
}

TEST_F(CrlTest, MoreShardsLaterLeaveIssuedCertificatesWhereTheyAre) {
  const auto old = enrol(acme, "old");
  authority = with_shards(64);
  const IssuerId issuer = issuer_of(acme);
  enrol(acme, "new");
  revoke(acme, old);
  EXPECT_TRUE(serials(crl(*authority, issuer, 0)).contains(old.serial_hex));
  authority = with_shards(1);  // fewer again: the wide ones are still served
  EXPECT_TRUE(authority->crl(issuer, 63).ok());
}

TEST_F(CrlTest, OnlyWhatChangedIsBuiltAgain) {
  authority = with_shards(8);
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  const std::uint32_t shard = std::stoul(issued.serial_hex.substr(issued.serial_hex.size() - 8), nullptr, 16) % 8;
  std::vector<std::uint64_t> before;
  for (std::uint32_t i = 0; i < 8; ++i) before.push_back(authority->crl(issuer, i).value()->number);
  revoke(acme, issued);
  for (std::uint32_t i = 0; i < 8; ++i) {
    const std::uint64_t number = authority->crl(issuer, i).value()->number;
    EXPECT_EQ(number > before[i], i == shard) << i;
  }
}

TEST_F(CrlTest, AnotherProcessSeesARevocationWithinSeconds) {
  const auto other = make_authority();
  ASSERT_TRUE(other->initialise_deployment().ok());
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  EXPECT_TRUE(crl(*other, issuer, 0).entries.empty());
  revoke(acme, issued);
  clock.advance(std::chrono::seconds(6));
  EXPECT_TRUE(serials(crl(*other, issuer, 0)).contains(issued.serial_hex));
}

TEST_F(CrlTest, ARevocationThatNobodyPublishedIsFoundAfterARestart) {
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  EXPECT_TRUE(crl(*authority, issuer, 0).entries.empty());
  revoke(acme, issued);
  // The process ends here: nothing was published.
  authority = make_authority();
  ASSERT_TRUE(authority->initialise_deployment().ok());
  EXPECT_TRUE(serials(crl(*authority, issuer, 0)).contains(issued.serial_hex));
}

TEST_F(CrlTest, RevokingSucceedsWherePublishingFailsAndTheOldListIsServed) {
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  const std::uint64_t number = authority->crl(issuer, 0).value()->number;
  database.execute(
      "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS"
      " $$ BEGIN RAISE EXCEPTION 'disk'; END $$");
  database.execute("CREATE TRIGGER fail BEFORE UPDATE ON muster.crls FOR EACH ROW EXECUTE FUNCTION public.fail()");

  revoke(acme, issued);

  EXPECT_EQ(authority->crl(issuer, 0).value()->number, number);
  database.execute("DROP TRIGGER fail ON muster.crls");
  EXPECT_TRUE(serials(crl(*authority, issuer, 0)).contains(issued.serial_hex));
}

TEST_F(CrlTest, AnEntryStaysOnACrlAfterItsCertificateExpired) {
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  revoke(acme, issued);
  clock.advance(std::chrono::days(366));
  EXPECT_TRUE(serials(crl(*authority, issuer, 0)).contains(issued.serial_hex));
  clock.advance(std::chrono::days(30));
  EXPECT_TRUE(crl(*authority, issuer, 0).entries.empty());
}

TEST_F(CrlTest, ARetiredIssuersListIsStillServed) {
  const IssuerId issuer = issuer_of(acme);
  const auto issued = enrol(acme, "d");
  database.execute("UPDATE muster.issuers SET status = 'retired' WHERE id = '" + issuer.text() + "'");
  revoke(acme, issued);
  EXPECT_TRUE(serials(crl(*authority, issuer, 0)).contains(issued.serial_hex));
}

// A large list is added to; whoever adds, and whatever commits when, each entry stands there once.
TEST_F(CrlTest, WhatIsRevokedLaterIsAddedToALargeList) {
  const IssuerId issuer = issuer_of(acme);
  fill(issuer, 6'000);
  const auto first = enrol(acme, "first");
  const auto slow = enrol(acme, "slow");
  const auto other = make_authority();
  ASSERT_TRUE(other->initialise_deployment().ok());
  EXPECT_EQ(crl(*authority, issuer, 0).entries.size(), 6'000u);
  const auto base = stored(issuer);

  revoke(acme, first);
  EXPECT_EQ(crl(*other, issuer, 0).entries.size(), 6'001u) << "from what the registry keeps";
  EXPECT_EQ(stored(issuer), base) << "the base stays";
  const auto revoked =
      db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY_VOID(
            registry::revoke_certificate(tx, acme.id, slow.id, {registry::RevocationReason::kSuperseded, clock.now()}));
        fill(issuer, 1, 6'001);  // commits before this transaction
        authority->note_revocation();
        EXPECT_EQ(crl(*authority, issuer, 0).entries.size(), 6'002u);
        return {};
      });
  ASSERT_TRUE(revoked.ok()) << to_log_text(revoked.error());
  authority->note_revocation();
  const x509::Crl list = crl(*authority, issuer, 0);
  EXPECT_EQ(list.entries.size(), 6'003u);
  EXPECT_EQ(serials(list).size(), 6'003u);
  EXPECT_TRUE(serials(list).contains(slow.serial_hex));
  EXPECT_EQ(stored(issuer), base);

  clock.advance(std::chrono::days(4));
  EXPECT_EQ(serials(crl(*authority, issuer, 0)).size(), 6'003u);
  EXPECT_NE(stored(issuer), base) << "half a period later it is made of all again";
}

TEST_F(CrlTest, TwentyThousandEntriesAreCompleteAndOpensslReadsThem) {
  const IssuerId issuer = issuer_of(acme);
  // As a million would be, but for the certificates themselves: the list is made of this table alone.
  fill(issuer, 20'000);

  const auto published = authority->crl(issuer, 0);

  ASSERT_TRUE(published.ok()) << to_log_text(published.error());
  const x509::Crl list = x509::Crl::parse_der((*published)->der).value();
  ASSERT_EQ(list.entries.size(), 20'000u);
  EXPECT_EQ(serials(list).size(), 20'000u);
  test_support::TempFolder folder;
  std::ofstream{folder / "list.crl"} << as_text((*published)->der);
  std::ofstream{folder / "ca.pem"} << authority->ensure_tenant_issuer(platform, acme.id)->certificate_pem;
  test_support::SpawnOptions verify;
  verify.command = {"sh", "-c",
                    "openssl crl -inform DER -in " + (folder / "list.crl").string() + " -CAfile " +
                        (folder / "ca.pem").string() + " -noout 2>&1 | grep -q 'verify OK'"};
  EXPECT_TRUE(test_support::run(verify).success());
}

}  // namespace
}  // namespace muster::enroll
