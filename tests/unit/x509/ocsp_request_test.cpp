// SPDX-License-Identifier: Apache-2.0
#include "x509/ocsp_request.h"

#include <gtest/gtest.h>

#include <string>

#include "core/encoding.h"
#include "unit/x509/der_text.h"

namespace muster::x509 {
namespace {

using namespace der_text;  // NOLINT(google-build-using-namespace)

const std::string kSha1 = sequence(element('\x06', "\x2B\x0E\x03\x02\x1A"));
const std::string kNonceOid = element('\x06', "\x2B\x06\x01\x05\x05\x07\x30\x01\x02");

std::string single(const std::string& serial = "\x41\x01", const std::string& more = "") {
  return sequence(
      sequence(kSha1 + octets(std::string(20, 'n')) + octets(std::string(20, 'k')) + element('\x02', serial)) + more);
}
std::string request(const std::string& list, const std::string& more = "") {
  return sequence(sequence(sequence(list) + more));
}
std::string extensions(const std::string& list) { return element('\xA2', sequence(list)); }
std::string nonce(const std::string& value) { return sequence(kNonceOid + octets(octets(value))); }

std::string reason_of(const std::string& der) {
  const auto parsed = parse_ocsp_request(as_bytes(der));
  return parsed.ok() ? "" : std::string(parsed.error().reason);
}

TEST(OcspRequest, PlainOneIsReadAndItsCertIdKeptWhole) {
  const std::string der = request(single());
  const auto parsed = parse_ocsp_request(as_bytes(der));
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->certificates.size(), 1u);
  EXPECT_EQ(to_hex(parsed->certificates[0].serial), "4101");
  EXPECT_TRUE(parsed->plain);
  EXPECT_NE(der.find(as_text(parsed->certificates[0].whole)), std::string::npos);
}

TEST(OcspRequest, SignOctetIsNoPartOfTheSerialAndNegativeOnesAreNobodys) {
  const std::string positive = request(single(std::string("\x00\xFF", 2))), negative = request(single("\xFF\x01"));
  EXPECT_EQ(to_hex(parse_ocsp_request(as_bytes(positive))->certificates[0].serial), "ff");
  EXPECT_TRUE(parse_ocsp_request(as_bytes(negative))->certificates[0].serial.empty());
}

TEST(OcspRequest, NonceHasOneTo128Octets) {
  for (const std::size_t size : {1u, 32u, 128u}) {
    const std::string der = request(single(), extensions(nonce(std::string(size, 'x'))));
    const auto parsed = parse_ocsp_request(as_bytes(der));
    ASSERT_TRUE(parsed.ok()) << size;
    EXPECT_EQ(parsed->nonce->size(), size);
    EXPECT_FALSE(parsed->plain);
  }
  EXPECT_EQ(reason_of(request(single(), extensions(nonce("")))), "ocsp.malformed");
  EXPECT_EQ(reason_of(request(single(), extensions(nonce(std::string(129, 'x'))))), "ocsp.malformed");
  EXPECT_EQ(reason_of(request(single(), extensions(nonce("a") + nonce("b")))), "ocsp.malformed");
}

TEST(OcspRequest, UnknownExtensionsAreIgnoredUnlessCritical) {
  const std::string oid = element('\x06', "\x2A\x03\x04");
  const std::string plain = request(single(), extensions(sequence(oid + octets("x"))));
  ASSERT_EQ(reason_of(plain), "");
  EXPECT_FALSE(parse_ocsp_request(as_bytes(plain))->plain);
  const std::string critical = sequence(oid + element('\x01', "\xFF") + octets("x"));
  EXPECT_EQ(reason_of(request(single(), extensions(critical))), "ocsp.malformed");
  EXPECT_EQ(reason_of(request(single("\x41", element('\xA0', sequence(critical))))), "ocsp.malformed");
}

TEST(OcspRequest, TenCertificatesAreTheMost) {
  std::string list;
  for (int i = 0; i < 10; ++i) list += single();
  EXPECT_EQ(reason_of(request(list)), "");
  EXPECT_EQ(reason_of(request(list + single())), "ocsp.too_many_certificates");
}

TEST(OcspRequest, AnythingElseIsMalformed) {
  const std::string good = request(single());
  EXPECT_EQ(reason_of(""), "ocsp.malformed");
  EXPECT_EQ(reason_of(request("")), "ocsp.malformed");
  EXPECT_EQ(reason_of(good + std::string(1, '\0')), "ocsp.malformed");
  EXPECT_EQ(reason_of(request(single(std::string(65, 'A')))), "ocsp.malformed");
  EXPECT_EQ(reason_of(std::string("\x30\x80", 2) + good + std::string(2, '\0')), "ocsp.malformed");
  for (std::size_t cut = 0; cut < good.size(); ++cut) EXPECT_NE(reason_of(good.substr(0, cut)), "") << cut;
}

}  // namespace
}  // namespace muster::x509
