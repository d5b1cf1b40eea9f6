// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/x509/pki_data.h"
#include "x509/chain_verifier.h"
#include "x509/device_chain.h"
#include "x509/pem.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

const UtcTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();
const TrustDomain kTrustDomain = TrustDomain::parse("muster.internal").value();

TrustAnchor anchor(const std::string& name) {
  const auto certificate = Certificate::parse_pem(read_pki_data("chain/" + name + ".pem"));
  return TrustAnchor::parse_der(certificate->der()).value();
}

// The first certificate of the file is the leaf, the others are presented beside it.
Result<DeviceChain> verify(const std::string& file, const std::vector<TrustAnchor>& anchors) {
  const auto blocks = read_pem_blocks(read_pki_data("chain/" + file + ".pem"), "CERTIFICATE", 16).value();
  const std::vector<BytesView> presented(blocks.begin() + 1, blocks.end());
  return verify_device_chain({blocks.front(), presented, anchors, kTrustDomain, kNow});
}

struct Case {
  const char* file;
  std::string_view reason;
};

class DeviceFromOutside : public ::testing::TestWithParam<Case> {};

TEST_P(DeviceFromOutside, IsRefusedWithItsReason) {
  const auto chain = verify(GetParam().file, {anchor("acme")});
  ASSERT_FALSE(chain.ok());
  EXPECT_EQ(chain.error().reason, GetParam().reason) << chain.error().detail;
  EXPECT_EQ(chain.error().code, ErrorCode::kPermissionDenied);
}

INSTANTIATE_TEST_SUITE_P(
    Files, DeviceFromOutside,
    ::testing::Values(
        Case{"bad_expired", reasons::kChainExpired}, Case{"bad_not_yet_valid", reasons::kChainNotYetValid},
        Case{"bad_expired_plant", reasons::kChainExpired}, Case{"bad_look_alike", reasons::kChainAnchorUnknown},
        Case{"bad_sub_ca_named_beta", reasons::kChainNameConstraintViolated},
        Case{"bad_path_length", reasons::kChainPathLengthExceeded}, Case{"bad_long_path", reasons::kChainTooLong},
        Case{"bad_issuer_not_a_ca", reasons::kChainIssuerNotACa},
        Case{"bad_issuer_usage", reasons::kChainIssuerKeyUsage},
        Case{"bad_issuer_server_only", reasons::kChainEkuClientAuthMissing},
        Case{"bad_ca_as_device", reasons::kChainLeafIsCa},
        Case{"bad_no_client_auth", reasons::kChainEkuClientAuthMissing},
        Case{"bad_server_auth_only", reasons::kChainEkuClientAuthMissing},
        Case{"bad_any_usage_only", reasons::kChainEkuClientAuthMissing},
        Case{"bad_no_digital_signature", reasons::kChainKeyUsageMissing},
        Case{"bad_unknown_critical", reasons::kChainUnknownCriticalExtension},
        Case{"bad_other_tenant", reasons::kChainNameConstraintViolated},
        Case{"bad_userinfo", reasons::kChainNameConstraintViolated},
        Case{"bad_port", reasons::kChainNameConstraintViolated},
        Case{"bad_upper_case", reasons::kChainNameConstraintViolated}, Case{"bad_percent", "identity.uri_unexpected"},
        Case{"bad_query", "identity.uri_unexpected"}, Case{"bad_two_uris", reasons::kChainUriSanNotUnique},
        Case{"bad_dns_beside_uri", reasons::kChainUriSanNotUnique}, Case{"bad_no_san", reasons::kChainUriSanNotUnique},
        Case{"invalid_nul_in_san", reasons::kCertificateSanInvalid}),
    [](const auto& instance) { return std::string(instance.param.file); });

TEST(DeviceChain, NamesTheDeviceTheAnchorAndTheEarliestNotAfter) {
  for (const char* file : {"good_direct", "good_plant", "good_unordered"}) {
    const auto chain = verify(file, {anchor("beta"), anchor("acme")});
    ASSERT_TRUE(chain.ok()) << file << " " << to_log_text(chain.error());
    EXPECT_EQ(chain->principal.text(), "acme/pump-7");
    EXPECT_EQ(chain->anchor_index, 1u);
    EXPECT_EQ(to_rfc3339(chain->not_after), "2049-01-01T00:00:00Z");
  }
}

TEST(DeviceChain, SubCaWithAnotherTenantsNameDoesNotReachThatTenantsKey) {
  EXPECT_EQ(verify("bad_sub_ca_named_beta", {anchor("beta")}).error().reason, reasons::kChainAnchorUnknown);
}

TEST(DeviceChain, WithoutAnchorsNobodyIsVerified) {
  EXPECT_EQ(verify("good_direct", {}).error().reason, reasons::kChainAnchorUnknown);
}

TEST(DeviceChain, TooManyPresentedCertificatesAreRefusedUnread) {
  const Bytes garbage{1, 2, 3};
  const std::vector<BytesView> presented(kMaxPresented + 1, garbage);
  const auto blocks = read_pem_blocks(read_pki_data("chain/good_direct.pem"), "CERTIFICATE", 1).value();
  const std::vector<TrustAnchor> anchors{anchor("acme")};
  EXPECT_EQ(verify_device_chain({blocks.front(), presented, anchors, kTrustDomain, kNow}).error().reason,
            reasons::kChainTooManyPresented);
}

TEST(TrustAnchor, EndEntityIsNone) {
  const auto leaf = Certificate::parse_pem(read_pki_data("chain/good_direct.pem")).value();
  EXPECT_EQ(TrustAnchor::parse_der(leaf.der()).error().reason, reasons::kChainAnchorNotACa);
}

TEST(ChainReport, HoldsEveryFinding) {
  const auto leaf = Certificate::parse_pem(read_pki_data("chain/bad_expired.pem")).value();
  const auto report = verify_chain(leaf, {}, {}, {ChainPurpose::kTlsServer, kTrustDomain, kNow});
  std::vector<std::string_view> seen;
  for (const ChainFinding& finding : report.findings) seen.push_back(finding.reason);
  const std::vector<std::string_view> expected{reasons::kChainAnchorUnknown, reasons::kChainExpired,
                                               reasons::kChainEkuServerAuthMissing};
  EXPECT_EQ(seen, expected);
}

TEST(Certificate, DamagedInAnyOctetIsNeverVerified) {
  const auto blocks = read_pem_blocks(read_pki_data("chain/good_direct.pem"), "CERTIFICATE", 1).value();
  const std::vector<TrustAnchor> anchors{anchor("acme")};
  for (std::size_t i = 0; i < blocks[0].size(); ++i) {
    Bytes damaged = blocks[0];
    damaged[i] ^= 0x55;
    EXPECT_FALSE(verify_device_chain({damaged, {}, anchors, kTrustDomain, kNow}).ok()) << "octet " << i;
    EXPECT_FALSE(Certificate::parse_der(BytesView{blocks[0]}.first(i)).ok()) << "first " << i << " octets";
  }
}

TEST(Certificate, PemHoldsOneObjectAndNothingElse) {
  const std::string pem = read_pki_data("chain/acme.pem");
  EXPECT_TRUE(Certificate::parse_pem("\n" + pem + "  \r\n").ok());
  for (const std::string& text : {pem + pem, pem + "x", "x" + pem, std::string(), pem.substr(0, 100)}) {
    EXPECT_EQ(Certificate::parse_pem(text).error().reason, reasons::kCertificatePemInvalid);
  }
  EXPECT_EQ(Certificate::parse_pem(pem)->pem(), pem);
}

}  // namespace
}  // namespace muster::x509
