// SPDX-License-Identifier: Apache-2.0
//
// CAs and devices with every kind of key: what is issued passes our linter, our path validation and OpenSSL.
#include <gtest/gtest.h>

#include <fstream>

#include "ca/signature_algorithm.h"
#include "support/process.h"
#include "support/temp_folder.h"
#include "unit/ca/hierarchy.h"
#include "x509/key_kind.h"
#include "x509/pem.h"
#include "x509/reasons.h"

namespace muster::ca {
namespace {

using x509::KeyKind;

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream{path} << text; }
std::string pem(BytesView der) { return x509::write_pem("CERTIFICATE", der); }

class KeyKinds : public ::testing::TestWithParam<KeyKind> {
 protected:
  bool passes_openssl(const TestCa& root, const TestCa& issuing, const Bytes& leaf) {
    const test_support::TempFolder folder;
    write(folder / "root.pem", pem(root.der));
    write(folder / "chain.pem", pem(issuing.der));
    write(folder / "leaf.pem", pem(leaf));
    test_support::SpawnOptions options;
    options.command = {"openssl",
                       "verify",
                       "-x509_strict",
                       "-purpose",
                       "sslclient",
                       "-attime",
                       std::to_string(h.now.time_since_epoch().count() + 1),
                       "-CAfile",
                       folder / "root.pem",
                       "-untrusted",
                       folder / "chain.pem",
                       folder / "leaf.pem"};
    options.output_file = folder / "out";
    const bool good = test_support::run(options).success();
    if (!good) {
      std::ifstream shown{folder / "out"};
      ADD_FAILURE() << std::string{std::istreambuf_iterator<char>{shown}, {}};
    }
    return good;
  }
  Hierarchy h;
};

TEST_P(KeyKinds, RootIssuingCaAndDevice) {
  const KeyKind kind = GetParam();
  if (!x509::require_available(x509::algorithm_of(kind)).ok()) {
    const auto refused = h.signer.generate({TenantId{}, IssuerId::random(), subject_name("x")}, kind);
    EXPECT_EQ(refused.error().reason, x509::reasons::kKeyAlgorithmUnavailable);
    return;
  }
  const TestCa root = h.make_ca(CertificateKind::kDeviceRoot, kind, nullptr, {});
  const TestCa issuing = h.make_ca(CertificateKind::kIssuingCa, kind, &root, "acme.muster.internal");
  CertificateSubject device = h.device_subject("pump-7");
  device.spki = h.signer.generate({TenantId{}, IssuerId::random(), subject_name("unused")}, kind).value().spki;
  device.key_algorithm = x509::algorithm_of(kind);
  const Bytes leaf = h.issue(Profile::standard(CertificateKind::kDevice), issuing.identity, device);
  EXPECT_TRUE(passes_openssl(root, issuing, leaf));
  const auto parsed = x509::Certificate::parse_der(leaf).value();
  const auto key = x509::PublicKey::parse(x509::Certificate::parse_der(issuing.der)->spki()).value();
  EXPECT_EQ(key.algorithm(), x509::algorithm_of(kind));
  if (x509::rsa_bits(kind) != 0) {
    EXPECT_EQ(key.bits(), x509::rsa_bits(kind));
  }
  EXPECT_EQ(issuing.identity.algorithm, x509::algorithm_of(kind));
}

INSTANTIATE_TEST_SUITE_P(All, KeyKinds,
                         ::testing::Values(KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048,
                                           KeyKind::kRsa3072, KeyKind::kRsa4096, KeyKind::kMlDsa44, KeyKind::kMlDsa65,
                                           KeyKind::kMlDsa87),
                         [](const auto& instance) {
                           std::string name{x509::to_string(instance.param)};
                           std::erase(name, '-');
                           return name;
                         });

// A TBS that names another algorithm than its issuer's key uses is found by the linter, before the signer refuses it.
TEST(KeyKindsLint, NoticesTheWrongAlgorithm) {
  Hierarchy h;
  const TestCa rsa = h.make_ca(CertificateKind::kIssuingCa, KeyKind::kRsa2048, &h.intermediate, "acme.muster.internal");
  const CertificateSubject subject = h.device_subject("pump-7");
  const Profile profile = Profile::standard(CertificateKind::kDevice);
  const Bytes serial = random_serial();
  IssuerIdentity wrong = rsa.identity;
  wrong.algorithm = x509::KeyAlgorithm::kP256;
  const Bytes tbs = build_tbs_certificate({profile, wrong, subject, serial, h.now}).value();
  const auto findings = lint_certificate(tbs, {profile, rsa.identity, subject, serial, h.now});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, "lint.algorithm");
  EXPECT_EQ(h.signer.sign_certificate({TenantId{}, rsa.id, tbs}).error().reason, "signer.issuer_mismatch");
}

}  // namespace
}  // namespace muster::ca
