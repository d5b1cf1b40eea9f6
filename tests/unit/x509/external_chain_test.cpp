// SPDX-License-Identifier: Apache-2.0
#include "x509/external_chain.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/clock.h"
#include "integration/auth_plugin/device_pki.h"

namespace muster::x509 {
namespace {

using test_support::CertificateSpec;
using test_support::Credential;
using test_support::make_certificate;

Credential make_ca(const std::string& name, const Credential* issuer = nullptr) {
  return make_certificate({.common_name = name, .extended_key_usage = "", .ca = true}, issuer);
}

Certificate parsed(const Credential& credential) { return Certificate::parse_der(credential.der()).value(); }

// A subject of the given text, octet for octet.
Certificate named(const std::string& text, const Credential& issuer, int type = V_ASN1_UTF8STRING, int times = 1) {
  Credential made = make_certificate({}, &issuer);
  X509_NAME* name = X509_NAME_new();
  for (int i = 0; i < times; ++i) {
    X509_NAME_add_entry_by_NID(name, NID_commonName, type, reinterpret_cast<const unsigned char*>(text.data()),
                               static_cast<int>(text.size()), -1, 0);
  }
  X509_set_subject_name(made.certificate.get(), name);
  X509_NAME_free(name);
  X509_sign(made.certificate.get(), issuer.key.get(), EVP_sha256());
  return parsed(made);
}

class ExternalChainTest : public testing::Test {
 protected:
  ExternalAnchor anchor(const Credential& ca) const {
    return {.trust = TrustAnchor::parse_der(ca.der()).value(),
            .intermediates = {},
            .rule = {DeviceIdSource::kCommonName, ""},
            .expired_crl = ExpiredCrl::kNotUsed,
            .crls = {},
            .revoked = {}};
  }
  static bool has(const ExternalChain& chain, std::string_view reason) {
    return std::ranges::find(chain.findings, reason, &ChainFinding::reason) != chain.findings.end();
  }
  ExternalChain judge(const Credential& leaf, std::vector<Certificate> presented, const ExternalAnchor& by) const {
    return judge_external_chain(parsed(leaf), presented, by, now_);
  }

  UtcTime now_ = SystemClock().now();
  Credential root_ = make_ca("Root");
  Credential plant_ = make_ca("Plant", &root_);
  Credential leaf_ = make_certificate({.common_name = "dev-1"}, &plant_);
};

TEST_F(ExternalChainTest, AGoodChainNamesItsDevice) {
  const auto chain = judge(leaf_, {parsed(plant_)}, anchor(root_));
  EXPECT_TRUE(chain.valid());
  ASSERT_TRUE(chain.device);
  EXPECT_EQ(chain.device->text(), "dev-1");
  EXPECT_EQ(chain.not_after, std::min(parsed(leaf_).not_after(), parsed(root_).not_after()));
}

TEST_F(ExternalChainTest, AnotherCaOfTheSameNameIsNoAnchor) {
  const auto chain = judge(leaf_, {parsed(plant_)}, anchor(make_ca("Root")));
  EXPECT_FALSE(chain.anchored);
  EXPECT_FALSE(chain.valid());
  EXPECT_FALSE(chain.device);
}

TEST_F(ExternalChainTest, ALeafWithoutExtendedKeyUsageIsAClientAServerIsNot) {
  const Credential plain = make_certificate({.common_name = "dev-2", .extended_key_usage = ""}, &plant_);
  const Credential server = make_certificate({.common_name = "dev-3", .extended_key_usage = "serverAuth"}, &plant_);
  EXPECT_TRUE(judge(plain, {parsed(plant_)}, anchor(root_)).valid());
  EXPECT_FALSE(judge(server, {parsed(plant_)}, anchor(root_)).valid());
}

TEST_F(ExternalChainTest, ACaIsNoDevice) { EXPECT_TRUE(has(judge(plant_, {}, anchor(root_)), "chain.leaf_is_ca")); }

TEST_F(ExternalChainTest, IdsAreExactlyOneAndPlain) {
  const auto id_of = [&](const Certificate& certificate, const DeviceIdRule& rule) {
    const auto id = read_device_id(certificate, rule);
    return id.ok() ? id->text() : std::string(id.error().reason);
  };
  const DeviceIdRule by_name{DeviceIdSource::kCommonName, ""};
  EXPECT_EQ(id_of(named("pump-7", plant_), by_name), "pump-7");
  EXPECT_EQ(id_of(named("pump-7", plant_, V_ASN1_PRINTABLESTRING), by_name), "pump-7");
  EXPECT_EQ(id_of(named(std::string("pump\0-7", 7), plant_), by_name), "external.device_id_invalid");
  EXPECT_EQ(id_of(named("pump/+/#", plant_), by_name), "external.device_id_invalid");
  EXPECT_EQ(id_of(named("pömp", plant_), by_name), "external.device_id_invalid");
  EXPECT_EQ(id_of(named("pump", plant_, V_ASN1_T61STRING), by_name), "external.device_id_invalid");
  EXPECT_EQ(id_of(named("pump", plant_, V_ASN1_UTF8STRING, 2), by_name), "external.device_id_ambiguous");
  EXPECT_EQ(id_of(named("pump", plant_), {DeviceIdSource::kSerialNumber, ""}), "external.device_id_missing");
  EXPECT_EQ(id_of(named("f:pump", plant_), {DeviceIdSource::kCommonName, "f:"}), "pump");
  EXPECT_EQ(id_of(named("g:pump", plant_), {DeviceIdSource::kCommonName, "f:"}), "external.device_id_invalid");

  const DeviceIdRule by_uri{DeviceIdSource::kUriSan, "urn:x:"};
  const auto with_uri = [&](const std::string& uri) { return parsed(make_certificate({.uri = uri}, &plant_)); };
  EXPECT_EQ(id_of(with_uri("urn:x:a"), by_uri), "a");
  EXPECT_EQ(id_of(with_uri("urn:x:a,DNS:b.example"), by_uri), "a");
  EXPECT_EQ(id_of(with_uri("urn:x:a,DNS:b.example"), {DeviceIdSource::kDnsSan, ""}), "b.example");
  EXPECT_EQ(id_of(with_uri("urn:x:a,URI:urn:y:b"), by_uri), "external.device_id_ambiguous");
  EXPECT_EQ(id_of(with_uri("urn:x:"), by_uri), "external.device_id_invalid");
}

TEST_F(ExternalChainTest, RevocationIsByIssuersKeyAndSerialOrByCertificate) {
  ExternalAnchor by = anchor(root_);
  by.revoked = {revocation_key(plant_.key_id(), parsed(leaf_).serial_hex())};
  EXPECT_TRUE(has(judge(leaf_, {parsed(plant_)}, by), "external.revoked"));
  by.revoked = {revocation_key(root_.key_id(), parsed(leaf_).serial_hex())};  // the same serial of another CA
  EXPECT_TRUE(judge(leaf_, {parsed(plant_)}, by).valid());
  by.revoked = {revocation_key(root_.key_id(), parsed(plant_).serial_hex())};  // the intermediate
  EXPECT_TRUE(has(judge(leaf_, {parsed(plant_)}, by), "external.revoked"));
  by.revoked = {revocation_key(leaf_.id())};
  EXPECT_TRUE(has(judge(leaf_, {parsed(plant_)}, by), "external.revoked"));
}

TEST_F(ExternalChainTest, TheLeafsIssuerNeedsACurrentCrlWhereTheTenantSaysSo) {
  ExternalAnchor by = anchor(root_);
  by.expired_crl = ExpiredCrl::kFailClosed;
  const auto judged = [&] { return judge(leaf_, {parsed(plant_)}, by); };
  EXPECT_TRUE(has(judged(), "external.crl_missing"));
  by.crls = {{plant_.key_id(), now_ + std::chrono::hours(1)}};
  EXPECT_TRUE(judged().valid());
  by.crls.push_back({root_.key_id(), now_ - std::chrono::hours(1)});
  EXPECT_TRUE(has(judged(), "external.crl_expired"));
  by.crls = {{plant_.key_id(), now_ - std::chrono::seconds(1)}};
  EXPECT_TRUE(has(judged(), "external.crl_expired"));
  by.crls = {{plant_.key_id(), now_}};  // nextUpdate itself is still in time
  EXPECT_TRUE(judged().valid());
  by.crls = {{plant_.key_id(), now_ - std::chrono::hours(1)}};
  by.expired_crl = ExpiredCrl::kLastKnownGood;
  EXPECT_TRUE(judged().valid());
}

TEST_F(ExternalChainTest, AHundredCertificatesAreTooMany) {
  const auto chain = judge(leaf_, std::vector<Certificate>(100, parsed(plant_)), anchor(root_));
  EXPECT_TRUE(has(chain, "chain.too_many_presented"));
  EXPECT_FALSE(chain.anchored);
}

}  // namespace
}  // namespace muster::x509
