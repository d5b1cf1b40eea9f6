// SPDX-License-Identifier: Apache-2.0
//
// Certificates that others could read in another way than we do: each has one fault, and the same without it is read.
#include <gtest/gtest.h>

#include <string>

#include "unit/x509/der_text.h"
#include "unit/x509/pki_data.h"
#include "x509/certificate.h"
#include "x509/certificate_request.h"

namespace muster::x509 {
namespace {

using namespace der_text;  // NOLINT(google-build-using-namespace)

const std::string kEcdsaSha256 = sequence(oid("2a8648ce3d040302"));
const std::string kTrue = "\x01\x01\xFF";

std::string extension(const char* id, const std::string& value, const std::string& critical = "") {
  return sequence(oid(id) + critical + octets(value));
}
const std::string kNotACa = extension("551d13", sequence(""), kTrue);
const std::string kSignature = extension("551d0f", from("03020780"), kTrue);
const std::string kUri = extension("551d11", sequence(element('\x86', "spiffe://a/b")));

// The fields of a TBSCertificate that is in order; tests change one.
struct Fields {
  std::string version = element('\xA0', integer("02"));
  std::string serial = integer("4001");
  std::string algorithm = kEcdsaSha256;
  std::string issuer = sequence("");
  std::string validity = sequence(element('\x17', "260101000000Z") + element('\x17', "270101000000Z"));
  std::string before_extensions = {};
  std::string list = kNotACa + kSignature + kUri;
  std::string behind = {};
};

std::string reason_of(const Fields& fields) {
  const std::string der = read_pki_data("csr/good_p256.der");
  const auto csr = CertificateRequest::parse_der(as_bytes(der)).value();
  const std::string tbs = sequence(fields.version + fields.serial + fields.algorithm + fields.issuer + fields.validity +
                                   sequence("") + std::string(as_text(csr.spki())) + fields.before_extensions +
                                   element('\xA3', sequence(fields.list)) + fields.behind);
  const auto parsed = Certificate::parse_der(as_bytes(sequence(tbs + kEcdsaSha256 + bits("signature"))));
  return parsed.ok() ? "" : std::string(parsed.error().reason);
}
template <typename Change>
std::string after(const Change& change) {
  Fields fields;
  change(fields);
  return reason_of(fields);
}

TEST(HostileCertificate, InOrderIsRead) { EXPECT_EQ(reason_of({}), ""); }

TEST(HostileCertificate, SerialIsPositiveMinimalAndOfTwentyOctets) {
  const auto serial = [](const std::string& hex) { return after([&](Fields& f) { f.serial = integer(hex); }); };
  EXPECT_EQ(serial("7f" + std::string(38, 'f')), "");
  EXPECT_EQ(serial("00ff"), "");
  for (const char* hex : {"00", "ff", "80", "8001"}) EXPECT_EQ(serial(hex), "certificate.serial_invalid") << hex;
  EXPECT_EQ(serial("7f" + std::string(40, 'f')), "certificate.serial_invalid");
  for (const char* hex : {"", "0001", "ffff"}) EXPECT_EQ(serial(hex), "certificate.malformed") << hex;
}

TEST(HostileCertificate, ExtensionStandsOnceAndInOneForm) {
  const auto with = [](const std::string& more) { return after([&](Fields& f) { f.list += more; }); };
  EXPECT_EQ(with(extension("2a03", "x")), "");
  EXPECT_EQ(with(kUri), "certificate.extension_duplicate");
  EXPECT_EQ(with(extension("2a03", "x") + extension("2a03", "y")), "certificate.extension_duplicate");
  EXPECT_EQ(with(extension("2a03", "x", std::string("\x01\x01\x01"))), "certificate.malformed") << "TRUE is FF";
  EXPECT_EQ(with(sequence(oid("2a03") + octets("x") + octets("y"))), "certificate.malformed");
  EXPECT_EQ(with(sequence(octets("x"))), "certificate.malformed");
  std::string many;
  for (int i = 0; i < 100; ++i) many += extension(("2a03" + to_hex(Bytes{static_cast<std::uint8_t>(i)})).c_str(), "x");
  EXPECT_EQ(with(many), "certificate.too_many_extensions");
  EXPECT_EQ(after([](Fields& f) { f.list.clear(); }), "certificate.malformed");
}

TEST(HostileCertificate, VersionAndOuterFieldsAreThoseOfVersionThree) {
  EXPECT_EQ(after([](Fields& f) { f.version.clear(); }), "certificate.version_unsupported");
  EXPECT_EQ(after([](Fields& f) { f.version = element('\xA0', integer("01")); }), "certificate.version_unsupported");
  EXPECT_EQ(after([](Fields& f) { f.version = element('\xA0', integer("02") + integer("02")); }),
            "certificate.version_unsupported");
  EXPECT_EQ(after([](Fields& f) { f.before_extensions = element('\x81', "ab"); }), "certificate.malformed")
      << "issuerUniqueID";
  EXPECT_EQ(after([](Fields& f) { f.behind = integer("01"); }), "certificate.malformed");
  EXPECT_EQ(after([](Fields& f) { f.algorithm = sequence(oid("2a8648ce3d040303")); }), "certificate.algorithm_mismatch")
      << "what is signed says another algorithm than what stands around it";
}

TEST(HostileCertificate, TimesAreWholeAndInOneForm) {
  const auto until = [](char tag, const std::string& time) {
    return after([&](Fields& f) { f.validity = sequence(element('\x17', "260101000000Z") + element(tag, time)); });
  };
  EXPECT_EQ(until('\x18', "20510101000000Z"), "");
  for (const char* time : {"2701010000Z", "270101000000", "270101000000+0100", "270230000000Z", "270101240000Z", ""}) {
    EXPECT_EQ(until('\x17', time), "certificate.time_invalid") << time;
  }
  EXPECT_EQ(until('\x18', "20510101000000.5Z"), "certificate.time_invalid");
  EXPECT_EQ(after([](Fields& f) { f.validity = sequence(element('\x17', "260101000000Z")); }),
            "certificate.time_invalid");
}

TEST(HostileCertificate, ConstraintsUsagesAndNamesAreInOneForm) {
  const auto instead = [](const std::string& constraints, const std::string& usage, const std::string& names) {
    return after([&](Fields& f) { f.list = constraints + usage + names; });
  };
  const auto usage = [](const char* hex) { return extension("551d0f", from(hex), kTrue); };
  const auto names = [](const std::string& name) { return extension("551d11", sequence(name)); };
  const std::string length_without_ca = extension("551d13", sequence(integer("00")), kTrue);
  EXPECT_EQ(instead(length_without_ca, kSignature, kUri), "certificate.malformed");
  EXPECT_EQ(instead(extension("551d13", sequence(kTrue + integer("ff")), kTrue), kSignature, kUri),
            "certificate.malformed");
  for (const char* bits : {"03020700", "030208ff", "03020780ff", "0302077f", "030100", "04020780"}) {
    EXPECT_EQ(instead(kNotACa, usage(bits), kUri), "certificate.malformed") << bits;
  }
  EXPECT_EQ(instead(kNotACa, kSignature, extension("551d11", sequence(""))), "certificate.malformed");
  for (const std::string& name :
       {std::string("spiffe://a/b\0.evil", 18), std::string("spiffe://a/\xC3\xBC"), std::string("spiffe://a /b")}) {
    EXPECT_EQ(instead(kNotACa, kSignature, names(element('\x86', name))), "certificate.san_invalid");
  }
}

}  // namespace
}  // namespace muster::x509
