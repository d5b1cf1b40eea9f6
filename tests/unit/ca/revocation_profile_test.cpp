// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what profiles say about revocation data in certificates, and the linter that reads it back.
#include <set>

#include "ca/crl_builder.h"
#include "ca/ocsp_response.h"
#include "ca/reasons.h"
#include "core/encoding.h"
#include "unit/ca/hierarchy.h"

namespace muster::ca {
namespace {

class RevocationProfile : public ::testing::Test {
 protected:
  static Profile device(bool short_lived, bool crl, bool ocsp) {
    ProfileConfig config;
    config.validity_seconds = 86'400;
    config.short_lived = short_lived;
    config.crl_pointer = crl;
    config.ocsp_pointer = ocsp;
    return Profile::create(config).value();
  }
  static bool holds(const Bytes& der, std::string_view text) {
    return as_text(der).find(text) != std::string_view::npos;
  }
  // 2.5.29.56, contents NULL in an OCTET STRING.
  static constexpr std::string_view kNoRevAvail{"\x30\x09\x06\x03\x55\x1D\x38\x04\x02\x05\x00", 11};

  Hierarchy h;
};

TEST_F(RevocationProfile, EachPointerIsThereExactlyWhereItIsAskedFor) {
  const std::string crl = "/crl/" + h.issuing.id.text() + "/0.crl";
  const auto issue = [&](bool short_lived, bool with_crl, bool with_ocsp) {
    return h.issue(device(short_lived, with_crl, with_ocsp), h.issuing.identity, h.device_subject("d"));
  };
  for (const bool with_crl : {false, true}) {
    for (const bool with_ocsp : {false, true}) {
      const Bytes der = issue(false, with_crl, with_ocsp);
      EXPECT_EQ(holds(der, crl), with_crl);
      EXPECT_EQ(holds(der, "/ocsp"), with_ocsp);
      EXPECT_FALSE(holds(der, kNoRevAvail));
    }
  }
  const Bytes der = issue(true, false, false);
  EXPECT_TRUE(holds(der, kNoRevAvail));
  EXPECT_FALSE(holds(der, "http://"));
}

TEST_F(RevocationProfile, TheLinterSeesPointersThatTheProfileDoesNotHave) {
  const CertificateSubject subject = h.device_subject("d");
  const Bytes serial = random_serial();
  const Profile profiles[] = {device(false, true, true), device(false, true, false), device(false, false, true),
                              device(true, false, false)};
  for (const Profile& built : profiles) {
    const Bytes tbs = build_tbs_certificate({built, h.issuing.identity, subject, serial, h.now}).value();
    for (const Profile& wanted : profiles) {
      const auto findings = lint_certificate(tbs, {wanted, h.issuing.identity, subject, serial, h.now});
      EXPECT_EQ(findings.empty(), &built == &wanted);
    }
  }
}

TEST_F(RevocationProfile, TheLinterSeesAnotherShard) {
  const CertificateSubject subject = h.device_subject("d");
  const Bytes serial = random_serial();
  const Profile profile = device(false, true, false);
  const Bytes tbs = build_tbs_certificate({profile, h.issuing.identity, subject, serial, h.now, 3}).value();
  EXPECT_TRUE(lint_certificate(tbs, {profile, h.issuing.identity, subject, serial, h.now, 3}).empty());
  const auto findings = lint_certificate(tbs, {profile, h.issuing.identity, subject, serial, h.now, 4});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].reason, reasons::kLintDistributionPoint);
}

TEST_F(RevocationProfile, ShardsAreChosenByTheSerialsLowBitsAndAllUsed) {
  EXPECT_EQ(crl_shard_of(Bytes{0x40, 0, 0, 1, 2}, 256), 2u);
  EXPECT_EQ(crl_shard_of(Bytes{0x40}, 0), 0u);
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 2'000; ++i) seen.insert(crl_shard_of(random_serial(), 16));
  EXPECT_EQ(seen.size(), 16u);
}

TEST_F(RevocationProfile, AResponderCanDoNothingElse) {
  CertificateSubject subject;
  subject.common_name = "Muster OCSP";
  subject.spki = h.fresh_spki();
  const Bytes der = h.issue(Profile::standard(CertificateKind::kOcspResponder), h.issuing.identity, subject);
  const auto certificate = x509::Certificate::parse_der(der).value();
  EXPECT_FALSE(certificate.is_ca());
  EXPECT_TRUE(certificate.subject_alt_names().empty());
  EXPECT_FALSE(holds(der, "http://"));
  EXPECT_LE(certificate.not_after() - certificate.not_before(), std::chrono::days(3));
}

TEST(CrlBuilderTest, RefusesWhatNoCrlMayList) {
  CrlBuilder builder;
  const UtcTime now = parse_rfc3339("2026-11-22T12:00:00Z").value();
  EXPECT_FALSE(builder.add(Bytes{}, now, 0).ok());
  EXPECT_FALSE(builder.add(Bytes(21, 1), now, 0).ok());
  EXPECT_FALSE(builder.add(Bytes{1}, now, 7).ok());
  EXPECT_FALSE(builder.add(Bytes{1}, now, 11).ok());
  EXPECT_EQ(builder.count(), 0u);
  EXPECT_TRUE(builder.add(Bytes{0x80}, now, 10).ok());
}

TEST(OcspError, IsTheStatusAlone) {
  EXPECT_EQ(to_hex(ocsp_error_response(OcspErrorStatus::kTryLater)), "30030a0103");
  EXPECT_EQ(to_hex(ocsp_error_response(OcspErrorStatus::kUnauthorized)), "30030a0106");
}

}  // namespace
}  // namespace muster::ca
