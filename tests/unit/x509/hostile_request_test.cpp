// SPDX-License-Identifier: Apache-2.0
//
// Requests made to be read in another way than they are signed, or to prove possession of what nobody possesses.
#include <gtest/gtest.h>

#include <string>

#include "core/encoding.h"
#include "unit/x509/der_text.h"
#include "unit/x509/pki_data.h"
#include "x509/certificate_request.h"
#include "x509/public_key.h"
#include "x509/reasons.h"

namespace muster::x509 {
namespace {

using namespace der_text;  // NOLINT(google-build-using-namespace)

const std::string kEcPublicKey = oid("2a8648ce3d0201");
const std::string kP256 = oid("2a8648ce3d030107");
const std::string kEcdsaSha256 = sequence(oid("2a8648ce3d040302"));
const std::string kEd25519 = sequence(oid("2b6570"));
const std::string kRsaSha256 = sequence(oid("2a864886f70d01010b") + element('\x05', ""));
const std::string kNoAttributes = element('\xA0', "");

std::string info(const std::string& spki, const std::string& attributes = kNoAttributes,
                 const std::string& version = std::string("\x02\x01\x00", 3)) {
  return sequence(version + sequence("") + spki + attributes);
}
std::string request(const std::string& info, const std::string& algorithm, const std::string& signature) {
  return sequence(info + algorithm + bits(signature));
}
std::string reason_of(const std::string& der) {
  const auto parsed = CertificateRequest::parse_der(as_bytes(der));
  return parsed.ok() ? "" : std::string(parsed.error().reason);
}
// The key is looked at before the signature: whatever stands there.
std::string reason_of_key(const std::string& spki) {
  const auto parsed = PublicKey::parse(as_bytes(spki));
  const auto checked = PublicKey::check(as_bytes(spki));
  EXPECT_EQ(checked.ok() ? "" : checked.error().reason, parsed.ok() ? "" : parsed.error().reason);
  return reason_of(request(info(spki), kEcdsaSha256, "s"));
}

std::string ed25519_spki(const std::string& point) { return sequence(kEd25519 + bits(point)); }

// 04 | x | y of a good key.
std::string good_point() {
  const std::string der = read_pki_data("csr/good_p256.der");
  const auto csr = CertificateRequest::parse_der(as_bytes(der)).value();
  return std::string(as_text(csr.spki().last(65)));
}
std::string p256_spki(const std::string& point) { return sequence(sequence(kEcPublicKey + kP256) + bits(point)); }

TEST(HostileRequest, KeyOfSmallOrderThatEverybodyCanSignForIsWeak) {
  const std::string neutral = std::string(1, '\x01') + std::string(31, '\0');
  const std::string spki = ed25519_spki(neutral);
  const std::string body = info(spki);
  // Made without a private key: R is the neutral element, S is 0.
  const std::string forged = neutral + std::string(32, '\0');
  const auto key = PublicKey::parse(as_bytes(spki));
  ASSERT_TRUE(key.ok());
  ASSERT_TRUE(key->verify(as_bytes(kEd25519), as_bytes(body), as_bytes(forged)).ok()) << "then nothing is shown here";

  EXPECT_EQ(reason_of(request(body, kEd25519, forged)), "csr.key_weak");
  for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000080",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                          "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    EXPECT_EQ(reason_of(request(info(ed25519_spki(from(hex))), kEd25519, forged)), "csr.key_weak") << hex;
  }
}

TEST(HostileRequest, PointIsWrittenInOneFormOnly) {
  const std::string good = good_point();
  ASSERT_EQ(reason_of_key(p256_spki(good)), "csr.signature_invalid") << "the key itself is one that we take";
  const std::string x = good.substr(1, 32);
  const char odd = static_cast<char>(good.back() & 1);
  for (const std::string& point :
       {std::string(1, static_cast<char>(2 | odd)) + x, std::string(1, static_cast<char>(6 | odd)) + good.substr(1),
        good + "x", good.substr(0, 64), std::string(), std::string(1, '\0'), std::string(65, '\0'),
        '\x04' + std::string(64, '\0'), '\x04' + std::string(64, '\xFF'),
        good.substr(0, 64) + static_cast<char>(good.back() ^ 2)}) {
    EXPECT_EQ(reason_of_key(p256_spki(point)), "csr.key_unsupported") << to_hex(as_bytes(point));
  }
}

TEST(HostileRequest, AlgorithmOfAKeyIsWrittenInOneFormOnly) {
  const std::string point = bits(good_point());
  const std::string null = element('\x05', "");
  for (const std::string& spki : {
           sequence(sequence(kEcPublicKey) + point), sequence(sequence(kEcPublicKey + null) + point),
           sequence(sequence(kEcPublicKey + kP256 + null) + point),
           sequence(sequence(kEcPublicKey + kP256) + point + null),
           sequence(sequence(kEcPublicKey + sequence(kP256)) + point),
           sequence(sequence(kEcPublicKey + kP256) + element('\x03', '\x01' + good_point())),
           sequence(sequence(oid("2b6570") + null) + bits(std::string(32, '\x42'))),
           ed25519_spki(std::string(33, '\x42')),
           sequence(sequence(oid("2b656e")) + bits(std::string(32, '\x42'))),             // X25519 signs nothing
           sequence(sequence(oid("2a864886f70d01010a")) + bits(sequence(std::string())))  // RSASSA-PSS
       }) {
    EXPECT_EQ(reason_of_key(spki), "csr.key_unsupported") << to_hex(as_bytes(spki));
  }
}

TEST(HostileRequest, SignatureOfAnotherKindOrOfZerosProvesNothing) {
  const std::string body = info(p256_spki(good_point()));
  const std::string zero = std::string("\x02\x01\x00", 3);
  for (const std::string& signature :
       {sequence(zero + zero), sequence(zero), std::string(), std::string(64, '\0'), sequence(zero + zero) + "x"}) {
    EXPECT_EQ(reason_of(request(body, kEcdsaSha256, signature)), "csr.signature_invalid")
        << to_hex(as_bytes(signature));
  }
  EXPECT_EQ(reason_of(request(body, kRsaSha256, std::string(256, '\x01'))), "csr.signature_invalid");
  EXPECT_EQ(reason_of(request(body, kEd25519, std::string(64, '\0'))), "csr.signature_invalid");
  EXPECT_EQ(reason_of(request(body, sequence(oid("2a8648ce3d0401")), sequence(zero + zero))), "csr.signature_invalid")
      << "ecdsa-with-SHA1";
}

TEST(HostileRequest, FormIsDerAndTheVersionZero) {
  const std::string spki = p256_spki(good_point());
  const std::string version = std::string("\x02\x01\x01", 3);
  const std::string padded = std::string("\x02\x02\x00\x00", 4);
  const std::string negative = "\x02\x01\xFF";
  for (const std::string& other : {version, padded, negative, std::string()}) {
    EXPECT_EQ(reason_of(request(info(spki, kNoAttributes, other), kEcdsaSha256, "s")), "csr.malformed");
  }
  const std::string good = request(info(spki), kEcdsaSha256, std::string(64, 's'));
  ASSERT_EQ(reason_of(good), "csr.signature_invalid");
  ASSERT_EQ(good[1], '\x81');
  EXPECT_EQ(reason_of("\x30\x82" + std::string(1, '\0') + good.substr(2)), "csr.malformed") << "a length in two octets";
  EXPECT_EQ(reason_of('\x31' + good.substr(1)), "csr.malformed") << "a SET";
  EXPECT_EQ(reason_of(request(info(spki, kNoAttributes + kNoAttributes), kEcdsaSha256, "s")), "csr.malformed");
  EXPECT_EQ(reason_of(request(info(spki, element('\xA1', "")), kEcdsaSha256, "s")), "csr.malformed");
}

// Nothing of the attributes is used; they may say the same twice, but not without end.
TEST(HostileRequest, AttributesAreCountedWhereverTheyStand) {
  const std::string spki = p256_spki(good_point());
  const std::string extension = sequence(oid("551d11") + element('\x04', sequence("")));
  const auto attribute = [&](int extensions) {
    std::string list;
    for (int i = 0; i < extensions; ++i) list += extension;
    return sequence(oid("2a864886f70d01090e") + element('\x31', sequence(list)));
  };
  const auto judge = [&](const std::string& attributes) {
    return reason_of(request(info(spki, element('\xA0', attributes)), kEcdsaSha256, "s"));
  };
  EXPECT_EQ(judge(attribute(2)), "csr.signature_invalid") << "one extension twice";
  EXPECT_EQ(judge(attribute(16) + attribute(16)), "csr.signature_invalid");
  EXPECT_EQ(judge(attribute(16) + attribute(17)), "csr.too_many_extensions") << "over two attributes";
  std::string many;
  for (std::size_t i = 0; i <= kMaxRequestAttributes; ++i) many += sequence(oid("2a03") + element('\x31', ""));
  EXPECT_EQ(judge(many), "csr.malformed");
}

}  // namespace
}  // namespace muster::x509
