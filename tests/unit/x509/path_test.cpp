// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/x509/made_pki.h"
#include "x509/distinguished_name.h"
#include "x509/path_validator.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

const UtcTime kNow = parse_rfc3339("2026-06-15T00:00:00Z").value();
const PathPolicy kPolicy{.now = kNow};

std::string reason_of(const PathReport& report) {
  return report.valid() ? "" : std::string(report.findings.front().reason);
}

struct NameCase {
  const char* constraints;
  const char* names;
  std::string_view reason;  // empty: within
};

class NameInSubtree : public ::testing::TestWithParam<NameCase> {};

TEST_P(NameInSubtree, HasItsVerdict) {
  const made::Root root{"root", {{"nameConstraints", std::string("critical,") + GetParam().constraints}}};
  const Certificate leaf =
      made::certificate({"leaf", made::new_key(), root.name, root.key, {{"subjectAltName", GetParam().names}}});
  EXPECT_EQ(reason_of(validate_path(leaf, {}, std::span{&root.certificate, 1}, kPolicy)), GetParam().reason);
}

constexpr std::string_view kViolated = reasons::kChainNameConstraintViolated;

INSTANTIATE_TEST_SUITE_P(
    Forms, NameInSubtree,
    ::testing::Values(
        NameCase{"permitted;DNS:example.com", "DNS:a.EXAMPLE.com", {}},
        NameCase{"permitted;DNS:example.com", "DNS:badexample.com", kViolated},
        NameCase{"excluded;DNS:bar.example.com", "DNS:*.example.com", kViolated},
        NameCase{"excluded;DNS:bar.example.com", "DNS:*.example.org", {}},
        NameCase{"permitted;DNS:.example.com", "DNS:a.example.com", reasons::kChainNameConstraintMalformed},
        NameCase{"permitted;email:example.com", "email:pump@example.com", {}},
        NameCase{"permitted;email:example.com", "email:pump@a.example.com", kViolated},
        NameCase{"permitted;email:.example.com", "email:pump@a.example.com", {}},
        NameCase{"permitted;email:Pump@example.com", "email:pump@example.com", kViolated},
        NameCase{"permitted;URI:acme.td", "URI:spiffe://acme.td/device/1", {}},
        NameCase{"permitted;URI:acme.td", "URI:spiffe://acme.td:x@beta.td/", kViolated},
        NameCase{"excluded;URI:beta.td", "URI:urn:pump", kViolated},
        NameCase{"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.2.9", {}},
        NameCase{"permitted;IP:192.0.2.0/255.255.255.0", "IP:192.0.3.9", kViolated},
        NameCase{"permitted;IP:192.0.2.0/255.0.255.0", "IP:192.0.2.9", reasons::kChainNameConstraintMalformed},
        NameCase{"permitted;IP:192.0.2.0/255.255.255.0", "DNS:a.example.com", {}},
        NameCase{"permitted;RID:1.2.3", "RID:1.2.3", reasons::kChainNameConstraintUnsupported},
        NameCase{"permitted;RID:1.2.3", "DNS:a.example.com", {}}));

TEST(DistinguishedName, ComparesWithoutRegardToTypeCaseAndWhiteSpace) {
  const Bytes utf8{0x30, 0x10, 0x31, 0x0E, 0x30, 0x0C, 0x06, 0x03, 0x55,
                   0x04, 0x03, 0x0C, 0x05, 'A',  ' ',  ' ',  'b',  ' '};
  const Bytes printable{0x30, 0x0E, 0x31, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x03, 'a', ' ', 'B'};
  const Bytes other{0x30, 0x0E, 0x31, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x03, 'a', '_', 'B'};
  EXPECT_TRUE(is_same_name(utf8, printable));
  EXPECT_FALSE(is_same_name(utf8, other));
}

struct PolicyCase {
  const char* ca;
  const char* leaf;
  std::set<std::string> acceptable;
  std::string_view reason;
};

class RequiredPolicy : public ::testing::TestWithParam<PolicyCase> {};

TEST_P(RequiredPolicy, HasItsVerdict) {
  const made::Root root{"root"};
  const made::Key key = made::new_key();
  const Certificate ca = made::certificate(
      {"CA", key, root.name, root.key, made::ca_extensions({{"certificatePolicies", GetParam().ca}})});
  const Certificate leaf =
      made::certificate({"leaf", made::new_key(), "CA", key, {{"certificatePolicies", GetParam().leaf}}});
  PathPolicy policy = kPolicy;
  policy.policies.require_explicit_policy = true;
  policy.policies.acceptable = GetParam().acceptable;
  EXPECT_EQ(reason_of(validate_path(leaf, std::span{&ca, 1}, std::span{&root.certificate, 1}, policy)),
            GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Paths, RequiredPolicy,
                         ::testing::Values(PolicyCase{"1.2.3", "1.2.3", {}, {}},
                                           PolicyCase{"1.2.3", "1.2.4", {}, reasons::kChainPolicyMissing},
                                           PolicyCase{"2.5.29.32.0", "1.2.4", {}, {}},
                                           PolicyCase{"1.2.3", "1.2.3", {"1.2.3"}, {}},
                                           PolicyCase{"1.2.3", "1.2.3", {"1.2.4"}, reasons::kChainPolicyMissing},
                                           PolicyCase{"2.5.29.32.0", "2.5.29.32.0", {"1.2.4"}, {}}));

// Nobody reads them who does not process them, so they must not pass as known.
TEST(ExternalPath, CriticalDistributionPointsNeedCrls) {
  const made::Root root{"root"};
  const Certificate leaf = made::certificate(
      {"leaf", made::new_key(), root.name, root.key, {{"crlDistributionPoints", "critical,URI:http://a.example/1"}}});
  EXPECT_EQ(reason_of(validate_path(leaf, {}, std::span{&root.certificate, 1}, kPolicy)),
            reasons::kChainUnknownCriticalExtension);
  const std::vector<ImportedCrl> crls{
      check_crl(made::crl_der({root.name, root.key}), root.certificate, {.now = kNow}).value()};
  PathPolicy policy = kPolicy;
  policy.crls = &crls;
  EXPECT_EQ(reason_of(validate_path(leaf, {}, std::span{&root.certificate, 1}, policy)), "");
}

TEST(ExternalPath, WeakAlgorithmsAreRefusedByDefault) {
  const made::Root root{"root"};
  const made::Key weak = made::new_rsa_key(1024);
  const Certificate anchor = made::certificate({"weak", weak, "weak", weak, made::ca_extensions()});
  const Certificate by_weak_key = made::certificate({"leaf", made::new_key(), "weak", weak});
  const Certificate by_sha1 = made::certificate({"leaf", made::new_key(), root.name, root.key, {}, 1, EVP_sha1()});
  const std::vector<Certificate> anchors{root.certificate, anchor};
  EXPECT_EQ(reason_of(validate_path(by_weak_key, {}, anchors, kPolicy)), reasons::kChainAnchorUnknown);
  EXPECT_EQ(reason_of(validate_path(by_sha1, {}, anchors, kPolicy)), reasons::kChainAnchorUnknown);
  PathPolicy legacy = kPolicy;
  legacy.algorithms.allow_legacy = true;
  EXPECT_EQ(reason_of(validate_path(by_weak_key, {}, anchors, legacy)), "");
}

}  // namespace
}  // namespace muster::x509
