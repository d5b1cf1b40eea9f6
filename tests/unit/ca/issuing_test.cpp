// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>

#include "ca/crl_builder.h"
#include "ca/reasons.h"
#include "core/identity.h"
#include "support/process.h"
#include "support/temp_folder.h"
#include "unit/ca/hierarchy.h"
#include "x509/crl.h"
#include "x509/device_chain.h"
#include "x509/pem.h"

namespace muster::ca {
namespace {

using test_support::TempFolder;

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream{path} << text; }

std::string pem(BytesView der) { return x509::write_pem("CERTIFICATE", der); }

bool openssl(std::vector<std::string> arguments, const std::filesystem::path& output) {
  arguments.insert(arguments.begin(), "openssl");
  test_support::SpawnOptions options;
  options.command = std::move(arguments);
  options.output_file = output.string();
  const auto status = test_support::run(options);
  if (!status.success()) {
    std::ifstream shown{output};
    ADD_FAILURE() << std::string{std::istreambuf_iterator<char>{shown}, {}};
  }
  return status.success();
}

class Issuing : public ::testing::Test {
 protected:
  // What OpenSSL, which shares no code with us, says of a device's whole chain.
  bool passes_openssl_verify(BytesView leaf, const std::string& purpose = "sslclient") {
    write(folder / "root.pem", pem(h.root.der));
    write(folder / "chain.pem", pem(h.issuing.der) + pem(h.intermediate.der));
    write(folder / "leaf.pem", pem(leaf));
    const std::string at = std::to_string(h.now.time_since_epoch().count() + 1);
    return openssl({"verify", "-x509_strict", "-purpose", purpose, "-attime", at, "-CAfile", folder / "root.pem",
                    "-untrusted", folder / "chain.pem", folder / "leaf.pem"},
                   folder / "out");
  }

  Result<x509::DeviceChain> verify(BytesView leaf, const std::vector<Bytes>& presented, const TestCa& anchor,
                                   UtcTime at) {
    const std::vector<BytesView> views(presented.begin(), presented.end());
    const std::vector<x509::TrustAnchor> anchors{x509::TrustAnchor::parse_der(anchor.der).value()};
    const TrustDomain domain = TrustDomain::parse("muster.internal").value();
    return x509::verify_device_chain({leaf, views, anchors, domain, at});
  }

  Hierarchy h;
  TempFolder folder;
};

TEST_F(Issuing, DeviceCertificatePassesOpensslStrictVerification) {
  EXPECT_TRUE(passes_openssl_verify(h.issue_device("pump-7")));
}

TEST_F(Issuing, DeviceWithALongNameHasAnEmptySubjectAndStillVerifies) {
  EXPECT_TRUE(passes_openssl_verify(h.issue_device(std::string(128, 'x'))));
}

TEST_F(Issuing, OurVerifierReadsTheDeviceFromItsChain) {
  const Bytes leaf = h.issue_device("pump-7");
  const auto chain = verify(leaf, {}, h.issuing, h.now);
  ASSERT_TRUE(chain.ok()) << to_log_text(chain.error());
  EXPECT_EQ(chain->principal.text(), "acme/pump-7");
  EXPECT_EQ(chain->length, 2u);
}

TEST_F(Issuing, PresentedIntermediatesLeadToTheRoot) {
  const auto chain = verify(h.issue_device("pump-7"), {h.intermediate.der, h.issuing.der}, h.root, h.now);
  ASSERT_TRUE(chain.ok()) << to_log_text(chain.error());
  EXPECT_EQ(chain->length, 4u);
}

TEST_F(Issuing, NotAfterIsInclusive) {
  const Bytes leaf = h.issue_device("pump-7");
  const UtcTime last = x509::Certificate::parse_der(leaf)->not_after();
  EXPECT_EQ(last, h.now + std::chrono::days{365} - std::chrono::seconds{1});
  EXPECT_TRUE(verify(leaf, {}, h.issuing, last).ok());
  const auto late = verify(leaf, {}, h.issuing, last + std::chrono::seconds{1});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().reason, "chain.expired");
}

TEST_F(Issuing, NothingOutlivesItsIssuer) {
  IssuerIdentity dying = h.issuing.identity;
  dying.not_after = h.now + std::chrono::hours{1};
  const Bytes leaf = h.issue(Profile::standard(CertificateKind::kDevice), dying, h.device_subject("pump-7"));
  EXPECT_EQ(x509::Certificate::parse_der(leaf)->not_after(), dying.not_after);
}

TEST_F(Issuing, LookAlikeCaOfTheSameNameIsRefusedByKey) {
  Hierarchy other;
  other.issuing.identity.name = h.issuing.identity.name;
  const auto owner = KeyOwner{TenantId{}, other.issuing.id, h.issuing.identity.name};
  ASSERT_TRUE(other.signer.generate(owner, x509::KeyKind::kP256).ok());
  const auto verdict = verify(other.issue_device("pump-7"), {}, h.issuing, h.now);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().reason, "chain.anchor_unknown");
}

TEST_F(Issuing, AnotherTenantsNameViolatesTheIssuersConstraint) {
  const Bytes leaf =
      h.issue(Profile::standard(CertificateKind::kDevice), h.issuing.identity, h.device_subject("pump-7", "beta"));
  const auto verdict = verify(leaf, {}, h.issuing, h.now);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().reason, "chain.name_constraint_violated");
}

TEST_F(Issuing, PlantCaMayNotMakeAnotherCa) {
  const TestCa plant = h.make_ca(CertificateKind::kPlantCa, x509::KeyKind::kP256, &h.issuing, "acme.muster.internal");
  const Bytes good = h.issue(Profile::standard(CertificateKind::kDevice), plant.identity, h.device_subject("pump-7"));
  EXPECT_TRUE(verify(good, {plant.der}, h.issuing, h.now).ok());
  const TestCa below = h.make_ca(CertificateKind::kPlantCa, x509::KeyKind::kP256, &plant, "acme.muster.internal");
  const Bytes bad = h.issue(Profile::standard(CertificateKind::kDevice), below.identity, h.device_subject("pump-7"));
  const auto verdict = verify(bad, {below.der, plant.der}, h.issuing, h.now);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().reason, "chain.path_length_exceeded");
}

TEST_F(Issuing, CaCertificateIsNoDevice) {
  const auto verdict = verify(h.issuing.der, {}, h.intermediate, h.now);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().reason, "chain.leaf_is_ca");
}

TEST_F(Issuing, ServerCertificateIsNoDevice) {
  CertificateSubject subject = h.device_subject("broker");
  const Bytes leaf = h.issue(Profile::standard(CertificateKind::kBroker), h.issuing.identity, subject);
  const auto verdict = verify(leaf, {}, h.issuing, h.now);
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().reason, "chain.eku_client_auth_missing");
}

TEST_F(Issuing, SerialsArePositiveOfTwentyOctetsAndDiffer) {
  const Bytes first = random_serial();
  const Bytes second = random_serial();
  EXPECT_EQ(first.size(), 20u);
  EXPECT_EQ(first[0] & 0xC0, 0x40);
  EXPECT_NE(first, second);
}

TEST_F(Issuing, SignerComparesTheIssuerBeforeItSigns) {
  const CertificateSubject subject = h.device_subject("pump-7");
  const Profile profile = Profile::standard(CertificateKind::kDevice);
  const Bytes serial = random_serial();
  const Bytes tbs = build_tbs_certificate({profile, h.issuing.identity, subject, serial, h.now}).value();
  const auto other_issuer = h.signer.sign_certificate({TenantId{}, h.intermediate.id, tbs});
  const auto other_tenant = h.signer.sign_certificate({TenantId::random(), h.issuing.id, tbs});
  const auto unknown = h.signer.sign_certificate({TenantId{}, IssuerId::random(), tbs});
  EXPECT_EQ(other_issuer.error().reason, reasons::kSignerIssuerMismatch);
  EXPECT_EQ(other_tenant.error().reason, reasons::kSignerIssuerMismatch);
  EXPECT_EQ(unknown.error().reason, reasons::kSignerKeyNotLoaded);
}

struct LintCase {
  const char* name;
  std::string_view reason;
  void (*change)(CertificateSubject&, IssuerIdentity&, Bytes& serial, UtcTime& now);
};

class Linting : public ::testing::TestWithParam<LintCase> {};

// The TBS is built from a changed order and linted against the right one.
TEST_P(Linting, FindsAChangedField) {
  Hierarchy h;
  const CertificateSubject subject = h.device_subject("pump-7");
  const Bytes serial = random_serial();
  CertificateSubject changed_subject = subject;
  IssuerIdentity changed_issuer = h.issuing.identity;
  Bytes changed_serial = serial;
  UtcTime changed_now = h.now;
  GetParam().change(changed_subject, changed_issuer, changed_serial, changed_now);
  const Profile profile = Profile::standard(CertificateKind::kDevice);
  const Bytes tbs =
      build_tbs_certificate({profile, changed_issuer, changed_subject, changed_serial, changed_now}).value();
  const auto findings = lint_certificate(tbs, {profile, h.issuing.identity, subject, serial, h.now});
  ASSERT_FALSE(findings.empty());
  bool found = false;
  for (const LintFinding& finding : findings) found = found || finding.reason == GetParam().reason;
  EXPECT_TRUE(found) << findings.front().reason;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, Linting,
    ::testing::Values(
        LintCase{"serial", reasons::kLintSerial, [](auto&, auto&, Bytes& serial, auto&) { serial[3] ^= 1; }},
        LintCase{"short_serial", reasons::kLintSerial,
                 [](auto&, auto&, Bytes& serial, auto&) {
                   serial = {1, 2};
                 }},
        LintCase{"issuer", reasons::kLintIssuer,
                 [](auto&, IssuerIdentity& issuer, auto&, auto&) { issuer.name = subject_name("other"); }},
        LintCase{"authority_key", reasons::kLintKeyIdentifier,
                 [](auto&, IssuerIdentity& issuer, auto&, auto&) { issuer.subject_key_id[0] ^= 1; }},
        LintCase{"common_name", reasons::kLintSubject,
                 [](CertificateSubject& subject, auto&, auto&, auto&) { subject.common_name = "pump-8"; }},
        LintCase{"uri", reasons::kLintSubjectAltName,
                 [](CertificateSubject& subject, auto&, auto&, auto&) { subject.names[0].value += "x"; }},
        LintCase{"second_name", reasons::kLintSubjectAltName,
                 [](CertificateSubject& subject, auto&, auto&, auto&) { subject.names.push_back(subject.names[0]); }},
        LintCase{"crl_uri", reasons::kLintDistributionPoint,
                 [](auto&, IssuerIdentity& issuer, auto&, auto&) { issuer.plain_url += "x"; }},
        LintCase{"no_crl_uri", reasons::kLintExtensions,
                 [](auto&, IssuerIdentity& issuer, auto&, auto&) { issuer.plain_url.clear(); }},
        LintCase{"constraint", reasons::kLintNameConstraints,
                 [](CertificateSubject& subject, auto&, auto&, auto&) { subject.permitted_uri_host = "x.y"; }},
        LintCase{"later", reasons::kLintValidity,
                 [](auto&, auto&, auto&, UtcTime& now) { now += std::chrono::hours{1}; }},
        LintCase{"earlier", reasons::kLintValidity,
                 [](auto&, auto&, auto&, UtcTime& now) { now -= std::chrono::hours{1}; }}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST_F(Issuing, CrlPassesOpensslAndOurParser) {
  const Bytes leaf = h.issue_device("pump-7");
  const auto parsed = x509::Certificate::parse_der(leaf).value();
  const std::vector<x509::CrlEntry> entries{{"0a", h.now, 0}, {parsed.serial_hex(), h.now, 1}};
  const Bytes tbs =
      build_tbs_crl({h.issuing.identity, 0, 1795000000, h.now, h.now + std::chrono::days{7}}, entries).value();
  const Bytes signature = h.signer.sign_crl({TenantId{}, h.issuing.id, tbs}).value();
  const Bytes der = assemble_signed(tbs, signature).value();

  const auto crl = x509::Crl::parse_der(der);
  ASSERT_TRUE(crl.ok());
  EXPECT_EQ(crl->entries, entries);
  EXPECT_EQ(crl->distribution_uri, "http://crl.example.net/crl/" + h.issuing.id.text() + "/0.crl");
  EXPECT_TRUE(crl->verify(x509::TrustAnchor::parse_der(h.issuing.der)->key()).ok());
  EXPECT_FALSE(crl->verify(x509::TrustAnchor::parse_der(h.intermediate.der)->key()).ok());
  write(folder / "crl.pem", x509::write_pem("X509 CRL", der));
  write(folder / "ca.pem", pem(h.issuing.der));
  EXPECT_TRUE(
      openssl({"crl", "-in", folder / "crl.pem", "-noout", "-text", "-CAfile", folder / "ca.pem"}, folder / "out"));
  std::ifstream shown{folder / "out"};
  const std::string text{std::istreambuf_iterator<char>{shown}, {}};
  EXPECT_NE(text.find("Issuing Distribution Point: critical"), std::string::npos);
  EXPECT_NE(text.find("Key Compromise"), std::string::npos);
}

}  // namespace
}  // namespace muster::ca
