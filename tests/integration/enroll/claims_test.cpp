// SPDX-License-Identifier: Apache-2.0
//
// What a claim gives and, above all, what it does not: its holder may be anybody who found a device's packaging.
#include <algorithm>
#include <thread>

#include "enroll/device_pattern.h"
#include "enroll/ip_network.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/claim_store.h"
#include "registry/est_settings_store.h"

namespace muster::enroll {
namespace {

constexpr const char* kRefused = "claim.refused";

class Claims : public EnrollLab {
 protected:
  registry::ClaimTerms terms_for(std::vector<std::string> devices) const {
    registry::ClaimTerms terms;
    terms.devices = std::move(devices);
    terms.may_create = true;
    terms.expires_at = clock.now() + std::chrono::hours{1};
    return terms;
  }
  Caller claim(const LabTenant& tenant, const registry::ClaimTerms& terms) {
    registry::NewClaim wanted{terms, {}, tenant.admin.audit_name()};
    wanted.sha256.fill(++claims_);
    const auto made = db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id), [&](db::Transaction& tx) {
      return registry::create_claim(tx, tenant.id, wanted);
    });
    EXPECT_TRUE(made.ok()) << to_log_text(made.error());
    Caller who;
    who.role = CallerRole::kClaim;
    who.tenant = tenant.id;
    who.claim = made->id;
    who.source_address = "192.0.2.7";
    return who;
  }
  std::string enrol(const Caller& who, const std::string& device) {
    EnrollRequest wanted = request(acme, device, DeviceKey{});
    wanted.create = CreateDevice::kNo;  // the claim's terms count, not what is asked for
    return reason_of(authority->enroll(who, wanted));
  }
  std::string uses(const Caller& who) {
    return database.execute("SELECT uses FROM muster.claims WHERE id = '" + who.claim->text() + "'");
  }
  // Why the audit says that enrolments by this claim were refused.
  std::string audited(const Caller& who) {
    return database.execute(
        "SELECT string_agg(DISTINCT detail->>'reason', ',' ORDER BY detail->>'reason') FROM"
        " muster.audit_events WHERE outcome = 'refused' AND actor = 'claim:" +
        who.claim->text() + "'");
  }
  std::string devices() { return database.execute("SELECT count(*) FROM muster.devices"); }
  std::uint8_t claims_ = 0;
};

TEST_F(Claims, IsGoodForAsManyUsesAsItSays) {
  const Caller once = claim(acme, terms_for({"d1"}));
  registry::ClaimTerms counted = terms_for({});
  counted.device_pattern = "plant-*";
  counted.max_uses = 2;
  const Caller twice = claim(acme, counted);

  EXPECT_EQ(enrol(once, "d1"), "issued");
  EXPECT_EQ(enrol(once, "d1"), kRefused);
  EXPECT_EQ(enrol(twice, "plant-1"), "issued");
  EXPECT_EQ(enrol(twice, "plant-2"), "issued");
  EXPECT_EQ(enrol(twice, "plant-3"), kRefused);
  EXPECT_EQ(uses(twice), "2");
  EXPECT_EQ(audited(twice), "claim.used_up");
  EXPECT_EQ(devices(), "3");
}

TEST_F(Claims, OneReasonOutsideTheRealOneInTheAudit) {
  registry::ClaimTerms terms = terms_for({"d1", "known"});
  terms.networks = {"192.0.2.0/24", "2001:db8::/32"};
  const Caller who = claim(acme, terms);
  Caller elsewhere = who;
  elsewhere.source_address = "198.51.100.1";
  Caller nowhere = who;
  nowhere.source_address = "";

  EXPECT_EQ(enrol(who, "d2"), kRefused);
  EXPECT_EQ(audited(who), "claim.device_not_covered");
  EXPECT_EQ(enrol(elsewhere, "d1"), kRefused);
  EXPECT_EQ(enrol(nowhere, "d1"), kRefused);
  EXPECT_EQ(audited(who), "claim.device_not_covered,claim.network_not_covered");
  EXPECT_EQ(uses(who), "0");
  EXPECT_EQ(devices(), "0") << "a refused claim makes no device";

  registry::ClaimTerms strict = terms_for({"known"});
  strict.may_create = false;
  const Caller no_creation = claim(acme, strict);
  EXPECT_EQ(enrol(no_creation, "known"), kRefused);
  EXPECT_EQ(audited(no_creation), "claim.device_unknown");
  EXPECT_EQ(enrol(who, "known"), "issued");
  const Caller second = claim(acme, strict);
  EXPECT_EQ(enrol(second, "known"), kRefused);
  EXPECT_EQ(audited(second), "claim.device_has_certificate");
}

TEST_F(Claims, EndsWithItsTimeItsRevocationAndItsTenant) {
  const Caller late = claim(acme, terms_for({"d1"}));
  const Caller revoked = claim(acme, terms_for({"d2"}));
  const Caller of_beta = claim(beta, terms_for({"d3"}));
  Caller posing = of_beta;
  posing.tenant = acme.id;
  ASSERT_TRUE(db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
                return registry::revoke_claim(tx, acme.id, *revoked.claim, clock.now());
              }).ok());

  EXPECT_EQ(enrol(of_beta, "d3"), "enroll.caller_forbidden");
  EXPECT_EQ(enrol(posing, "d3"), kRefused);
  EXPECT_EQ(enrol(revoked, "d2"), kRefused);
  EXPECT_EQ(audited(revoked), "claim.revoked");
  clock.advance(std::chrono::hours{2});
  EXPECT_EQ(enrol(late, "d1"), kRefused);
  EXPECT_EQ(audited(late), "claim.expired");
  EXPECT_EQ(devices(), "0");
}

TEST_F(Claims, AGroupIsGivenToNewDevicesAndAskedOfOthers) {
  registry::ClaimTerms terms = terms_for({});
  terms.device_pattern = "*";
  terms.group = "pumps";
  terms.max_uses = 3;
  const Caller who = claim(acme, terms);
  ASSERT_TRUE(db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
                return registry::create_device(
                    tx, acme.id, {DeviceName::parse("valve-1").value(), {}, {"valves"}, PolicyId{}, "system"});
              }).ok());

  EXPECT_EQ(enrol(who, "pump-1"), "issued");
  EXPECT_EQ(enrol(who, "valve-1"), kRefused);
  EXPECT_EQ(audited(who), "claim.group_differs");
  EXPECT_EQ(database.execute("SELECT groups FROM muster.devices WHERE name = 'pump-1'"), "{pumps}");
}

// A fielded device that lost its key: only a claim that names it, and says so, gives it another.
TEST_F(Claims, ReissueIsForNamedDevicesOnly) {
  registry::ClaimTerms terms = terms_for({"d1"});
  ASSERT_EQ(enrol(claim(acme, terms), "d1"), "issued");
  EXPECT_EQ(enrol(claim(acme, terms), "d1"), kRefused);
  terms.may_reissue = true;
  EXPECT_EQ(enrol(claim(acme, terms), "d1"), "issued");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.certificates"), "2");
}

TEST_F(Claims, AFailedIssueBurnsNothing) {
  const DeviceKey taken;
  ASSERT_TRUE(authority->enroll(acme.admin, request(acme, "other", taken)).ok());
  const Caller who = claim(acme, terms_for({"d1"}));

  EXPECT_EQ(reason_of(authority->enroll(who, request(acme, "d1", taken))), "csr.key_already_used");
  EXPECT_EQ(uses(who), "0");
  EXPECT_EQ(devices(), "1") << "the device is made with the certificate or not at all";
  EXPECT_EQ(enrol(who, "d1"), "issued");
}

TEST_F(Claims, ARaceForOneClaimHasOneWinner) {
  registry::ClaimTerms terms = terms_for({});
  terms.device_pattern = "racer-*";
  const Caller who = claim(acme, terms);
  // Two servers on one database: what one has in memory cannot decide.
  const auto other = make_authority();
  ASSERT_TRUE(other->initialise_deployment().ok());
  std::vector<std::string> outcomes(20);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      threads.emplace_back([&, i] {
        auto& server = i % 2 == 0 ? authority : other;
        outcomes[i] = reason_of(server->enroll(who, request(acme, "racer-" + std::to_string(i), DeviceKey{})));
      });
    }
  }
  EXPECT_EQ(std::ranges::count(outcomes, "issued"), 1);
  EXPECT_EQ(std::ranges::count(outcomes, kRefused), 19);
  EXPECT_EQ(uses(who), "1");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.certificates"), "1");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.devices WHERE status <> 'deleted'"), "1")
      << "who got no certificate left no device";
}

TEST_F(Claims, MayOnlyEnrol) {
  const Caller who = claim(acme, terms_for({"d1"}));
  const auto issued = authority->enroll(who, request(acme, "d1", DeviceKey{}));
  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
  EXPECT_EQ(std::string(authority->revoke(who, {acme.id, issued->id_hex, "unspecified"}).error().reason),
            "enroll.caller_forbidden");
  EXPECT_FALSE(authority->validate(who, {acme.id, issued->certificate_pem, "", {}}).ok());
  EXPECT_FALSE(authority->ensure_tenant_issuer(who, acme.id).ok());
}

TEST_F(Claims, AnExpiredCertificateRenewsWhileItsTenantAllowsIt) {
  const auto first = authority->enroll(acme.admin, request(acme, "d1", DeviceKey{}));
  ASSERT_TRUE(first.ok()) << to_log_text(first.error());
  const Caller device = as_device(acme, "d1", *first);
  clock.advance(std::chrono::seconds{first->not_after - clock.now()} + std::chrono::hours{1});

  EXPECT_EQ(enrol(device, "d1"), "enroll.caller_forbidden");
  const auto allow = [&](std::int64_t seconds) {
    registry::EstSettings settings;
    settings.reenroll_after_expiry_seconds = seconds;
    ASSERT_TRUE(db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
                  return registry::put_est_settings(tx, acme.id, settings);
                }).ok());
  };
  allow(1800);
  EXPECT_EQ(enrol(device, "d1"), "enroll.caller_forbidden");
  allow(86'400);
  EXPECT_EQ(std::string(authority->revoke(device, {acme.id, first->id_hex, "unspecified"}).error().reason),
            "enroll.caller_forbidden")
      << "an expired certificate renews and does nothing else";
  EXPECT_EQ(enrol(device, "d1"), "issued");
  EXPECT_EQ(enrol(device, "d1"), "enroll.caller_forbidden") << "the device has a newer one";
}

TEST(DevicePattern, StarsStandForAnything) {
  EXPECT_TRUE(device_pattern_matches("*", "x"));
  EXPECT_TRUE(device_pattern_matches("plant-*-pump", "plant-7-a-pump"));
  EXPECT_TRUE(device_pattern_matches("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(device_pattern_matches("plant-*", "plant"));
  EXPECT_FALSE(device_pattern_matches("a.c", "abc"));
  EXPECT_FALSE(device_pattern_matches("", "a"));
  EXPECT_FALSE(device_pattern_matches(std::string(63, '*') + "b", std::string(128, 'a')));
  for (const char* bad : {"", "a/b", "a b", "[a]", "a?", "\\*", "a%", "\xC3\xBC"}) {
    EXPECT_FALSE(is_device_pattern(bad)) << bad;
  }
  EXPECT_FALSE(is_device_pattern(std::string_view("a\0*", 3)));
  EXPECT_FALSE(is_device_pattern(std::string(129, 'a')));
}

TEST(IpNetwork, ContainsWhatItsPrefixSays) {
  const auto contains = [](const char* network, const char* address) {
    return IpNetwork::parse(network).value().contains(address);
  };
  EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
  EXPECT_TRUE(contains("192.0.2.9", "192.0.2.9"));
  EXPECT_FALSE(contains("192.0.2.9", "192.0.2.8"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.1"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_FALSE(contains("::/0", "not an address"));
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/8 ", "::1/129",
                          "example.org", "10.0.0.0/8/8", "fe80::1%eth0"}) {
    EXPECT_FALSE(IpNetwork::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace muster::enroll
