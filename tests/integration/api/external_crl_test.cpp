// SPDX-License-Identifier: Apache-2.0
//
// CRLs of a tenant's own PKI: fetched from where the server's configuration allows, checked, kept when the next is bad.
#include <openssl/x509v3.h>

#include "integration/api/api_lab.h"
#include "integration/auth_plugin/device_pki.h"
#include "support/canned_server.h"
#include "support/eventually.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

using test_support::CannedServer;
using test_support::Credential;
using test_support::make_certificate;

struct CrlSpec {
  long number = 1;
  long this_update_offset = -60;  // seconds from now
  long next_update_offset = 86400;
  std::vector<const Credential*> revoked = {};
  std::string extra_critical = {};  // an OID of a critical extension that nobody knows
};

std::string make_crl(const Credential& ca, const CrlSpec& spec) {
  X509_CRL* crl = X509_CRL_new();
  X509_CRL_set_version(crl, 1);
  X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca.certificate.get()));
  ASN1_TIME* time = ASN1_TIME_new();
  X509_CRL_set1_lastUpdate(crl, X509_gmtime_adj(time, spec.this_update_offset));
  X509_CRL_set1_nextUpdate(crl, X509_gmtime_adj(time, spec.next_update_offset));
  for (const Credential* gone : spec.revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(gone->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(time, spec.this_update_offset));
    X509_CRL_add0_revoked(crl, entry);
  }
  ASN1_INTEGER* number = ASN1_INTEGER_new();
  ASN1_INTEGER_set(number, spec.number);
  X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0);
  X509V3_CTX context;
  X509V3_set_ctx(&context, ca.certificate.get(), nullptr, nullptr, crl, 0);
  X509_EXTENSION* key_id = X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid");
  X509_CRL_add_ext(crl, key_id, -1);
  X509_EXTENSION_free(key_id);
  if (!spec.extra_critical.empty()) {
    ASN1_OBJECT* oid = OBJ_txt2obj(spec.extra_critical.c_str(), 1);
    ASN1_OCTET_STRING* value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, reinterpret_cast<const unsigned char*>("\x05\x00"), 2);
    X509_EXTENSION* unknown = X509_EXTENSION_create_by_OBJ(nullptr, oid, 1, value);
    X509_CRL_add_ext(crl, unknown, -1);
    X509_EXTENSION_free(unknown);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
  }
  X509_CRL_sort(crl);
  X509_CRL_sign(crl, ca.key.get(), EVP_sha256());
  std::string der(static_cast<std::size_t>(i2d_X509_CRL(crl, nullptr)), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509_CRL(crl, &at);
  ASN1_INTEGER_free(number);
  ASN1_TIME_free(time);
  X509_CRL_free(crl);
  return der;
}

std::string pem_of(const Credential& credential) { return x509::Certificate::parse_der(credential.der())->pem(); }

class ExternalCrl : public ApiLab {
 protected:
  void restart_with(http::OutsidePolicy policy) {
    server->stop();
    ServerConfig config;
    config.certificate_file = path("server.pem");
    config.key_file = path("server.key");
    config.database_url = database.url("muster_server");
    config.crl_fetching = std::move(policy);
    auto created = Server::create(config, {*pool, *authority, clock, metrics});
    ASSERT_TRUE(created.ok()) << to_log_text(created.error());
    server = std::move(*created);
    server->start();
  }

  // The path of an anchor of acme that is proved.
  std::string make_anchor(const json& fields = json::object()) {
    EXPECT_EQ(send("POST", "/v1/tenants", {{"name", "acme"}}).status, 201);
    json body = {{"certificates", pem_of(root_)}, {"device_id_from", "cn"}};
    body.update(fields);
    const Answer made = send("POST", "/v1/tenants/acme/trust-anchors", body);
    EXPECT_EQ(made.status, 201) << made.text;
    const std::string anchor = "/v1/tenants/acme/trust-anchors/" + made.body()["id"].get<std::string>();
    const std::string code = made.body()["verification"]["code"];
    const Answer verified = send("POST", anchor + "/verification",
                                 {{"certificate", pem_of(make_certificate({.common_name = code}, &root_))}});
    EXPECT_EQ(verified.status, 200) << verified.text;
    return anchor;
  }

  Answer upload(const std::string& anchor, const std::string& crl) {
    return send({admin, ""}, "POST", anchor + "/crls", crl);
  }
  json held(const std::string& anchor) { return send("GET", anchor + "/crls").body()["items"]; }
  std::string last_failure(const std::string& anchor) {
    const json failure = send("GET", anchor).body()["crl"]["last_failure"];
    return failure.is_string() ? failure.get<std::string>() : "";
  }
  static std::string http_answer(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/pkix-crl\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }

  Credential root_ = make_certificate({.common_name = "Root", .extended_key_usage = "", .ca = true});
};

TEST_F(ExternalCrl, WhatIsNoNewerCrlOfThisCaIsRefusedAndTheOldOneStays) {
  const std::string anchor = make_anchor();
  const Credential leaf = make_certificate({.common_name = "d"}, &root_);
  const Credential twin = make_certificate({.common_name = "Root", .extended_key_usage = "", .ca = true});
  const Credential other = make_certificate({.common_name = "Other", .extended_key_usage = "", .ca = true});
  ASSERT_EQ(upload(anchor, make_crl(root_, {.number = 5, .revoked = {&leaf}})).status, 201);
  const json before = held(anchor);

  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 4})).reason(), "crl.older_than_held");
  EXPECT_EQ(
      upload(anchor, make_crl(root_, {.number = 6, .this_update_offset = -7200, .next_update_offset = -60})).reason(),
      "crl.expired");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 6, .this_update_offset = 7200})).reason(), "crl.not_yet_valid");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 6, .extra_critical = "1.2.3.4"})).reason(),
            "crl.extension_unsupported");
  EXPECT_EQ(upload(anchor, make_crl(twin, {.number = 6})).status, 400);  // the name, not the key
  EXPECT_EQ(upload(anchor, make_crl(other, {.number = 6})).reason(), "crl.issuer_unknown");
  EXPECT_EQ(upload(anchor, "nonsense").reason(), "crl.malformed");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 6}) + "x").reason(), "crl.malformed");
  EXPECT_EQ(held(anchor), before);
  EXPECT_EQ(before[0]["entries"], 1);
}

// A CA may have a CRL for each part of what it issued; edges hold them all, so there is an end.
TEST_F(ExternalCrl, AnAnchorHasRoomForSoManyListsAndEntries) {
  const std::string anchor = make_anchor();
  ASSERT_EQ(upload(anchor, make_crl(root_, {.number = 1})).status, 201);
  const auto others = [&](const std::string& lists, const std::string& entries) {
    database.execute("DELETE FROM muster.external_crls WHERE number = 'ff'");
    database.execute(
        "INSERT INTO muster.external_crls (tenant_id, anchor_id, issuer_key, scope, number, this_update, next_update,"
        " entries, revoked, source) SELECT tenant_id, anchor_id, issuer_key, sha256(n::text::bytea), 'ff', this_update,"
        " next_update, " +
        entries + ", decode(repeat('00', 16 * " + entries + "), 'hex'), source FROM muster.external_crls," +
        " generate_series(1, " + lists + ") AS n");
  };
  others("63", "0");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 2})).status, 201) << "in the place of the first";
  database.execute("UPDATE muster.external_crls SET scope = sha256('another') WHERE number <> 'ff'");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 3})).reason(), "crl.too_many_entries");
  EXPECT_EQ(held(anchor).size(), 64U);

  others("1", "100000");
  const Credential leaf = make_certificate({.common_name = "d"}, &root_);
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 4, .revoked = {&leaf}})).reason(), "crl.too_many_entries");
  EXPECT_EQ(upload(anchor, make_crl(root_, {.number = 4})).status, 201);
}

TEST_F(ExternalCrl, IsFetchedFromAHostOnTheList) {
  const CannedServer crls(http_answer(make_crl(root_, {.number = 7})));
  restart_with({.allowed_hosts = {"localhost"}, .allow_private_addresses = true});
  const std::string anchor = make_anchor({{"crl", {{"url", crls.url("localhost")}}}});

  ASSERT_TRUE(test_support::eventually([&] { return held(anchor).size() == 1; }));
  EXPECT_EQ(held(anchor)[0]["source"], "fetch");
  EXPECT_EQ(held(anchor)[0]["number"], "07");
  EXPECT_EQ(last_failure(anchor), "");
}

TEST_F(ExternalCrl, IsNotFetchedFromElsewhereOrFromInside) {
  const CannedServer inside(http_answer(make_crl(root_, {})));
  restart_with({.allowed_hosts = {"localhost"}});
  const std::string anchor = make_anchor({{"crl", {{"url", inside.url("localhost")}}}});
  EXPECT_TRUE(test_support::eventually([&] { return last_failure(anchor) == "outside.address_refused"; }));

  EXPECT_EQ(send("PATCH", anchor, {{"crl", {{"url", "http://metadata.internal/"}}}}).status, 200);
  EXPECT_TRUE(test_support::eventually([&] { return last_failure(anchor) == "outside.host_not_allowed"; }));
  EXPECT_EQ(inside.connections(), 0);
  EXPECT_EQ(held(anchor).size(), 0U);
}

TEST_F(ExternalCrl, AFetchedCrlIsCheckedLikeAnyOther) {
  const Credential twin = make_certificate({.common_name = "Root", .extended_key_usage = "", .ca = true});
  const CannedServer forged(http_answer(make_crl(twin, {})));
  restart_with({.allowed_hosts = {"localhost"}, .allow_private_addresses = true});
  const std::string anchor = make_anchor({{"crl", {{"url", forged.url("localhost")}}}});

  EXPECT_TRUE(test_support::eventually([&] { return last_failure(anchor) == "signature.invalid"; }))
      << last_failure(anchor);
  EXPECT_EQ(held(anchor).size(), 0U);
}

TEST_F(ExternalCrl, AnExpiredOneRaisesAnAlarmOnce) {
  const std::string anchor = make_anchor({{"expired_crl", "last-known-good"}});
  ASSERT_EQ(upload(anchor, make_crl(root_, {.next_update_offset = 3})).status, 201);
  const auto alarms = [&] {
    const json events = send("GET", "/v1/audit?tenant=acme&limit=1000").body()["items"];
    std::size_t count = 0;
    for (const json& event : events) {
      count += event["action"] == "trust_anchor.crl_expired" ? 1U : 0U;
    }
    return count;
  };
  EXPECT_TRUE(test_support::eventually([&] { return alarms() == 1; }, std::chrono::seconds(60)));
  EXPECT_EQ(held(anchor)[0]["expired"], true);
  const json checks = send("GET", "/v1/checks").body()["checks"];
  const auto external =
      std::find_if(checks.begin(), checks.end(), [](const json& c) { return c["check"] == "external crls"; });
  ASSERT_NE(external, checks.end());
  EXPECT_EQ((*external)["status"], "warning");
  ASSERT_EQ(upload(anchor, make_crl(root_, {.number = 2})).status, 201);
  EXPECT_EQ(alarms(), 1U);
}

TEST_F(ExternalCrl, AUrlThatIsMoreThanAPlaceIsRefused) {
  const std::string anchor = make_anchor();
  for (const char* url :
       {"https://crl.example/", "ftp://x/", "http://", "http:///x", "http://u:p@h/", "file:///etc/passwd"}) {
    EXPECT_EQ(send("PATCH", anchor, {{"crl", {{"url", url}}}}).reason(), "trust_anchor.field_invalid") << url;
  }
}

}  // namespace
}  // namespace muster::api
