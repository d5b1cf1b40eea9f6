// SPDX-License-Identifier: Apache-2.0
#include "x509/blocked_keys.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include "core/encoding.h"
#include "unit/x509/pki_data.h"
#include "x509/certificate_request.h"
#include "x509/key_kind.h"
#include "x509/public_numbers.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::x509 {
namespace {

CertificateRequest request(const std::string& file) {
  return CertificateRequest::parse_pem(read_pki_data("csr/" + file)).value();
}

bool blocks(const BlockedKeys& list, const CertificateRequest& csr) {
  return list.contains(csr.spki(), csr.spki_sha256());
}

TEST(BlockedKeys, AreFoundByTheirSpki) {
  for (const char* file : {"good_p256.pem", "good_p384.pem", "good_ed25519.pem", "good_rsa2048.pem"}) {
    const CertificateRequest csr = request(file);
    const std::string digits = to_hex(csr.spki_sha256());
    EXPECT_TRUE(blocks(BlockedKeys::parse(digits).value(), csr)) << file;
    EXPECT_TRUE(blocks(BlockedKeys::parse("# known\n\n" + digits.substr(0, 30) + "\r\n").value(), csr)) << file;
    EXPECT_FALSE(blocks(BlockedKeys::parse(std::string(64, 'a')).value(), csr)) << file;
    EXPECT_FALSE(blocks(BlockedKeys{}, csr)) << file;
  }
}

// As the list of the badkeys project has them: the same RSA modulus with another exponent is the same bad key.
TEST(BlockedKeys, AreFoundByTheirNumber) {
  const CertificateRequest rsa = request("good_rsa2048.pem");
  BytesView modulus = rsa_modulus(rsa.spki()).value();
  ASSERT_EQ(modulus.size(), 257u);  // 2048 bits and a sign octet
  EXPECT_TRUE(blocks(BlockedKeys::parse(to_hex(sha256(modulus.subspan(1)))).value(), rsa));
  EXPECT_FALSE(blocks(BlockedKeys::parse(to_hex(sha256(modulus))).value(), rsa));
  const CertificateRequest ec = request("good_p384.pem");
  BytesView x = ec_first_coordinate(ec.spki()).value();
  ASSERT_EQ(x.size(), 48u);
  while (x.front() == 0) x = x.subspan(1);
  EXPECT_TRUE(blocks(BlockedKeys::parse(to_hex(sha256(x))).value(), ec));
}

TEST(BlockedKeys, ListWithAFaultIsRefusedWhole) {
  const std::string good(64, 'b');
  for (const std::string& fault : {std::string(29, 'a'), std::string(65, 'a'), std::string(63, 'a') + "g",
                                   std::string(30, 'a') + " ssh", std::string("-----BEGIN PUBLIC KEY-----")}) {
    const auto list = BlockedKeys::parse(good + "\n" + fault + "\n");
    ASSERT_FALSE(list.ok()) << fault;
    EXPECT_EQ(list.error().reason, reasons::kKeyListMalformed);
    EXPECT_EQ(list.error().detail, "line 2");
  }
}

TEST(KeyKinds, HaveNamesThatAreReadBack) {
  for (int kind = 0; kind <= static_cast<int>(KeyKind::kMlDsa87); ++kind) {
    const auto one = static_cast<KeyKind>(kind);
    EXPECT_EQ(parse_key_kind(to_string(one)), one) << to_string(one);
    EXPECT_EQ(parse_key_algorithm(to_string(algorithm_of(one))), algorithm_of(one)) << to_string(one);
  }
  EXPECT_FALSE(parse_key_kind("rsa"));
  EXPECT_FALSE(parse_key_algorithm("rsa-2048"));
  EXPECT_FALSE(parse_key_kind("P-256"));
}

// The library that runs is asked: 3.0 refuses and says which it is, 3.5 takes them.
TEST(KeyKinds, MlDsaIsThereOrRefusedByName) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kMlDsa44, KeyAlgorithm::kMlDsa65, KeyAlgorithm::kMlDsa87}) {
    const auto available = require_available(algorithm);
    const bool offered = OpenSSL_version_num() >= 0x30500000L;
    EXPECT_EQ(available.ok(), offered);
    if (!offered) {
      EXPECT_EQ(available.error().reason, reasons::kKeyAlgorithmUnavailable);
      EXPECT_NE(available.error().detail.find("OpenSSL 3."), std::string::npos) << available.error().detail;
    }
  }
  EXPECT_TRUE(require_available(KeyAlgorithm::kP256).ok());
}

// The encoded key of a device with ML-DSA, before this library has the algorithm.
TEST(KeyKinds, MlDsaKeyIsRefusedByNameAndByItsLength) {
  const auto spki = [](std::size_t octets) {
    Bytes der{0x30, 0x82, 0x05, 0x32, 0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48,
              0x01, 0x65, 0x03, 0x04, 0x03, 0x11, 0x03, 0x82, 0x05, 0x21, 0x00};
    der.resize(der.size() + octets, 0x5A);
    return der;
  };
  const auto whole = PublicKey::parse(spki(1312));
  if (require_available(KeyAlgorithm::kMlDsa44).ok()) {
    EXPECT_TRUE(whole.ok());
  } else {
    EXPECT_EQ(whole.error().reason, reasons::kKeyAlgorithmUnavailable);
  }
  EXPECT_EQ(PublicKey::parse(spki(1311)).error().reason, reasons::kKeyMalformed);
}

}  // namespace
}  // namespace muster::x509
