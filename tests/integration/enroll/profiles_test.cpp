// SPDX-License-Identifier: Apache-2.0
#include "enroll/profiles.h"

#include <fstream>

#include "integration/enroll/enroll_lab.h"
#include "support/process.h"
#include "support/temp_folder.h"
#include "x509/certificate.h"

namespace muster::enroll {
namespace {

class ProfilesTest : public EnrollLab {
 protected:
  ProfileChange short_lived() const {
    ProfileChange change;
    change.short_lived = true;
    change.validity_seconds = 86'400;
    return change;
  }
  registry::ProfileRow make(const LabTenant& tenant, const std::string& name, const ProfileChange& values) {
    auto made = Profiles{*authority}.create(tenant.admin, tenant.id, name, values);
    EXPECT_TRUE(made.ok()) << to_log_text(made.error());
    return std::move(made).value();
  }
  Result<IssuedCertificate> enrol(const LabTenant& tenant, const std::string& device, const std::string& profile) {
    const DeviceKey key;
    EnrollRequest asked = request(tenant, device, key);
    asked.profile = profile;
    return authority->enroll(tenant.admin, asked);
  }
  // What the openssl program prints of a certificate.
  std::string text_of(const IssuedCertificate& issued) {
    std::ofstream{folder / "leaf.pem"} << issued.certificate_pem;
    test_support::SpawnOptions show;
    show.command = {"openssl", "x509", "-in", folder / "leaf.pem", "-noout", "-text"};
    show.output_file = folder / "text";
    EXPECT_TRUE(test_support::run(show).success());
    std::ifstream file{folder / "text"};
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  test_support::TempFolder folder;
};

TEST_F(ProfilesTest, ShortLivedSaysNoRevAvailAndPointsNowhere) {
  make(acme, "short", short_lived());

  const auto issued = enrol(acme, "d", "short");

  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
  const std::string text = text_of(*issued);
  EXPECT_TRUE(holds(text, "2.5.29.56") || holds(text, "No Revocation Available")) << text;
  EXPECT_FALSE(holds(text, "CRL Distribution Points"));
  EXPECT_FALSE(holds(text, "Authority Information Access"));
  EXPECT_LE(issued->not_after - clock.now(), std::chrono::seconds(86'400));
}

TEST_F(ProfilesTest, OcspPointerNamesOurResponder) {
  ProfileChange change;
  change.ocsp_pointer = true;
  make(acme, "asked", change);
  const auto issued = enrol(acme, "d", "asked");
  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
  const std::string text = text_of(*issued);
  EXPECT_TRUE(holds(text, "OCSP - URI:http://127.0.0.1:8080/ocsp")) << text;
  EXPECT_TRUE(holds(text, "/0.crl"));
}

TEST_F(ProfilesTest, DeviceProfileIsTheTenantsToChange) {
  ProfileChange change;
  change.validity_seconds = 3'600;
  ASSERT_TRUE(Profiles{*authority}.update(acme.admin, acme.id, "device", change).ok());

  const auto here = enrol(acme, "d", "device");
  const auto there = enrol(beta, "d", "device");

  ASSERT_TRUE(here.ok() && there.ok());
  EXPECT_LT(here->not_after - clock.now(), std::chrono::hours(2));
  EXPECT_GT(there->not_after - clock.now(), std::chrono::days(300));
  ASSERT_TRUE(Profiles{*authority}.remove(acme.admin, acme.id, "device").ok());
  EXPECT_EQ(Profiles{*authority}.get(acme.admin, acme.id, "device").value().validity_seconds, 365 * 86'400);
}

TEST_F(ProfilesTest, KeyAlgorithmsAreEnforced) {
  ProfileChange change;
  change.key_algorithms = std::vector<std::string>{"p-384"};
  make(acme, "strong", change);
  EXPECT_EQ(reason_of(enrol(acme, "d", "strong")), "profile.key_not_allowed");
}

TEST_F(ProfilesTest, ARequestThatItsProfileRefusesLeavesNoDevice) {
  ProfileChange change;
  change.key_algorithms = std::vector<std::string>{"p-384"};
  make(acme, "strong", change);
  const std::vector<DeviceKey> keys(3);
  std::vector<EnrollRequest> asked{request(acme, "unknown", keys[0]), request(acme, "weak", keys[1]),
                                   request(acme, "good", keys[2])};
  asked[0].profile = "nobody-made-it";
  asked[1].profile = "strong";

  const auto results = authority->enroll_batch(acme.factory, asked);

  EXPECT_EQ(reason_of(results[0]), "enroll.profile_unknown");
  EXPECT_EQ(reason_of(results[1]), "profile.key_not_allowed");
  EXPECT_EQ(reason_of(results[2]), "issued");
  EXPECT_EQ(reason_of(authority->enroll(acme.admin, asked[1])), "profile.key_not_allowed") << "nor alone";
  EXPECT_EQ(database.execute("SELECT string_agg(name, ',') FROM muster.devices"), "good");
}

TEST_F(ProfilesTest, ADeviceStaysInItsProfile) {
  make(acme, "short", short_lived());
  make(acme, "other", {});
  const auto first = enrol(acme, "d", "short");
  ASSERT_TRUE(first.ok());
  const auto renew = [&](const std::string& profile) {
    const DeviceKey key;
    EnrollRequest asked = request(acme, "d", key);
    asked.profile = profile;
    return authority->enroll(as_device(acme, "d", *first), asked);
  };

  EXPECT_EQ(reason_of(renew("other")), "enroll.profile_forbidden");
  const auto unnamed = renew("device");
  ASSERT_TRUE(unnamed.ok()) << to_log_text(unnamed.error());
  EXPECT_LE(unnamed->not_after - clock.now(), std::chrono::seconds(86'400));
  // Removing the profile does not strand it.
  ASSERT_TRUE(Profiles{*authority}.remove(acme.admin, acme.id, "short").ok());
  EXPECT_TRUE(renew("device").ok());
}

TEST_F(ProfilesTest, ImpossibleValuesAreRefusedByName) {
  const auto refusal = [&](const ProfileChange& change, const std::string& name = "p") {
    const auto made = Profiles{*authority}.create(acme.admin, acme.id, name, change);
    return made.ok() ? std::string("made") : std::string(made.error().reason) + " " + made.error().detail;
  };
  ProfileChange change = short_lived();
  change.validity_seconds = 11 * 86'400;
  EXPECT_EQ(refusal(change), "profile.invalid validity_seconds");
  change = short_lived();
  change.crl_pointer = true;
  EXPECT_EQ(refusal(change), "profile.invalid crl_pointer");
  change = {};
  change.key_algorithms = std::vector<std::string>{"dsa"};
  EXPECT_EQ(refusal(change), "profile.invalid key_algorithms");
  change = {};
  change.validity_seconds = 1;
  EXPECT_EQ(refusal(change), "profile.invalid validity_seconds");
  EXPECT_EQ(refusal({}, "Not A Name"), "profile.invalid name");
  EXPECT_EQ(reason_of(enrol(acme, "d", "nobody-made-it")), "enroll.profile_unknown");
}

TEST_F(ProfilesTest, AnotherTenantsIssuerAndProfilesAreOutOfReach) {
  const auto of_beta = authority->ensure_tenant_issuer(platform, beta.id).value();
  ProfileChange change;
  change.issuer = std::optional<IssuerId>{of_beta.id};
  const auto made = Profiles{*authority}.create(acme.admin, acme.id, "p", change);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().reason, "issuer.not_found");
  make(beta, "theirs", {});
  EXPECT_EQ(reason_of(enrol(acme, "d", "theirs")), "enroll.profile_unknown");
  EXPECT_EQ(Profiles{*authority}.update(acme.admin, beta.id, "theirs", {}).error().reason, "enroll.caller_forbidden");
  EXPECT_EQ(Profiles{*authority}.create(acme.factory, acme.id, "p", {}).error().reason, "enroll.caller_forbidden");
}

}  // namespace
}  // namespace muster::enroll
