// SPDX-License-Identifier: Apache-2.0
#include "x509/certificate_request.h"

#include <gtest/gtest.h>

#include "unit/x509/pki_data.h"
#include "x509/key_kind.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

Result<CertificateRequest> parse(const std::string& file) {
  const std::string content = read_pki_data("csr/" + file);
  return file.ends_with(".pem") ? CertificateRequest::parse_pem(content)
                                : CertificateRequest::parse_der(as_bytes(content));
}

struct Case {
  const char* file;
  std::string_view reason;  // empty: accepted
};

std::string case_name(const ::testing::TestParamInfo<Case>& instance) {
  std::string name = instance.param.file;
  for (char& c : name) {
    if (c == '.') c = '_';
  }
  return name;
}

class RequestFromOutside : public ::testing::TestWithParam<Case> {};

TEST_P(RequestFromOutside, HasItsVerdict) {
  const auto request = parse(GetParam().file);
  EXPECT_EQ(request.ok() ? std::string_view{} : request.error().reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Files, RequestFromOutside,
    ::testing::Values(
        Case{"good_p256.pem", {}}, Case{"good_p256.der", {}}, Case{"good_p384.pem", {}}, Case{"good_ed25519.pem", {}},
        Case{"good_rsa2048.pem", {}}, Case{"good_32_extensions.der", {}}, Case{"good_names_are_ignored.der", {}},
        Case{"bad_signature.der", reasons::kCsrSignatureInvalid}, Case{"bad_rsa1024.der", reasons::kCsrKeyUnsupported},
        Case{"bad_rsa16384.der", reasons::kCsrKeyUnsupported},
        Case{"bad_rsa_exponent_3.der", reasons::kCsrKeyUnsupported},
        Case{"bad_rsa_exponent_even.der", reasons::kCsrKeyUnsupported},
        Case{"bad_rsa_exponent_huge.der", reasons::kCsrKeyUnsupported},
        Case{"bad_rsa_even_modulus.der", reasons::kCsrKeyWeak}, Case{"bad_rsa_small_factor.der", reasons::kCsrKeyWeak},
        Case{"bad_rsa_close_primes.der", reasons::kCsrKeyWeak}, Case{"bad_rsa_square.der", reasons::kCsrKeyWeak},
        Case{"bad_rsa_exponent_1.der", reasons::kCsrKeyUnsupported},
        Case{"bad_point_at_infinity.der", reasons::kCsrKeyUnsupported},
        Case{"invalid_trailing_text.pem", reasons::kCsrMalformed}, Case{"bad_rsa_roca.der", reasons::kCsrKeyWeak},
        Case{"bad_p192.der", reasons::kCsrKeyUnsupported}, Case{"bad_p521.der", reasons::kCsrKeyUnsupported},
        Case{"bad_explicit_curve.der", reasons::kCsrKeyUnsupported},
        Case{"bad_point_off_curve.der", reasons::kCsrKeyUnsupported},
        Case{"bad_33_extensions.der", reasons::kCsrTooManyExtensions},
        Case{"bad_10000_names.der", reasons::kCsrTooLarge}, Case{"invalid_two_blocks.pem", reasons::kCsrMalformed},
        Case{"invalid_certificate_label.pem", reasons::kCsrMalformed},
        Case{"invalid_trailing_octet.der", reasons::kCsrMalformed},
        Case{"invalid_truncated.der", reasons::kCsrMalformed},
        Case{"invalid_indefinite_length.der", reasons::kCsrMalformed},
        Case{"invalid_empty.der", reasons::kCsrMalformed}),
    case_name);

// Made by OpenSSL 3.5; an older one has no ML-DSA and the refusal says which it is.
TEST(RequestOfALaterLibrary, IsTakenOrRefusedByName) {
  const auto request = parse("good_mldsa44.der");
  if (require_available(KeyAlgorithm::kMlDsa44).ok()) {
    ASSERT_TRUE(request.ok()) << to_log_text(request.error());
    EXPECT_EQ(request->key().algorithm(), KeyAlgorithm::kMlDsa44);
    std::string damaged = read_pki_data("csr/good_mldsa44.der");
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    EXPECT_EQ(CertificateRequest::parse_der(as_bytes(damaged)).error().reason, reasons::kCsrSignatureInvalid);
  } else {
    EXPECT_EQ(request.error().reason, reasons::kKeyAlgorithmUnavailable);
    EXPECT_NE(request.error().detail.find("OpenSSL 3."), std::string::npos) << request.error().detail;
  }
}

TEST(RequestFromOutsideDamaged, IsNeverAccepted) {
  const std::string good = read_pki_data("csr/good_p256.der");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    EXPECT_FALSE(CertificateRequest::parse_der(as_bytes(damaged)).ok()) << "octet " << i;
    EXPECT_FALSE(CertificateRequest::parse_der(as_bytes(good.substr(0, i))).ok()) << "first " << i << " octets";
  }
}

}  // namespace
}  // namespace muster::x509
