// SPDX-License-Identifier: Apache-2.0
//
// What monitoring is told: each check turns when the thing it watches does, and nobody but the platform may ask.
#include "integration/api/api_lab.h"

namespace muster::api {
namespace {

class Checks : public ApiLab {
 protected:
  struct Seen {
    std::string status;
    std::string detail;
  };
  Seen check(const std::string& name) {
    const Answer answer = send("GET", "/v1/checks");
    EXPECT_EQ(answer.status, 200) << answer.text;
    const json body = answer.body();
    for (const json& one : body.value("checks", json::array())) {
      if (one["check"] == name) return {one["status"], one["detail"]};
    }
    ADD_FAILURE() << "no check " << name << " in " << answer.text;
    return {};
  }
  std::string overall() { return send("GET", "/v1/checks").body().value("status", ""); }
  // Returns the serial of the certificate.
  std::string enrol(const std::string& device) {
    send("POST", "/v1/tenants", {{"name", "acme"}});
    send("POST", "/v1/tenants/acme/devices", {{"name", device}});
    const Answer issued =
        send("POST", "/v1/tenants/acme/devices/" + device + "/certificates", {{"csr", make_csr(device)}});
    EXPECT_EQ(issued.status, 201) << issued.text;
    return issued.body().value("serial", "");
  }
};

TEST_F(Checks, AreGreenAtFirst) {
  enrol("pump-1");
  EXPECT_EQ(overall(), "ok") << send("GET", "/v1/checks").text;
}

TEST_F(Checks, TellOfACertificateThatACrashLeftUnfinished) {
  const std::string serial = enrol("pump-1");
  database.execute("DELETE FROM muster.certificates");
  database.execute("UPDATE muster.certificate_intents SET created_at = now() - interval '10 minutes'");
  const Seen seen = check("intents");
  EXPECT_EQ(seen.status, "warning");
  EXPECT_NE(seen.detail.find(serial), std::string::npos) << seen.detail;
}

TEST_F(Checks, TellOfDevicesWhoseLastCertificateEndsSoon) {
  enrol("pump-1");
  database.execute("UPDATE muster.certificates SET not_after = now() + interval '1 day'");
  const Seen alone = check("expiring");
  EXPECT_EQ(alone.status, "warning");
  EXPECT_NE(alone.detail.find("1 devices' last certificates"), std::string::npos) << alone.detail;

  // Renewed: the old one may end.
  ASSERT_EQ(send("POST", "/v1/tenants/acme/devices/pump-1/certificates", {{"csr", make_csr("renewed")}}).status, 201);
  EXPECT_EQ(check("expiring").status, "ok");
}

TEST_F(Checks, TellOfACaThatEnds) {
  enrol("pump-1");
  database.execute("UPDATE muster.issuers SET not_after = now() + interval '60 days' WHERE tenant_id IS NOT NULL");
  EXPECT_EQ(check("issuers").status, "warning");
  database.execute("UPDATE muster.issuers SET not_after = now() + interval '3 days' WHERE tenant_id IS NOT NULL");
  const Seen seen = check("issuers");
  EXPECT_EQ(seen.status, "critical");
  EXPECT_NE(seen.detail.find("of tenant acme"), std::string::npos) << seen.detail;
  EXPECT_EQ(overall(), "critical");
}

TEST_F(Checks, TellOfASilentEdgeAndOfACrlThatIsLate) {
  enrol("pump-1");
  send("POST", "/v1/edges", {{"name", "hall-1"}});
  database.execute(
      "UPDATE muster.edges SET status = 'joined', joined_at = now() - interval '2 hours',"
      " acknowledged_at = now() - interval '1 hour'");
  EXPECT_EQ(check("edges").status, "warning");
  database.execute("UPDATE muster.edges SET acknowledged_at = now()");
  EXPECT_EQ(check("edges").status, "ok");

  database.execute(
      "INSERT INTO muster.crls (issuer_id, shard, number, this_update, next_update, crl) SELECT id, 0, 1,"
      " now() - interval '8 days', now() - interval '1 day', ''::bytea FROM muster.issuers"
      " WHERE tenant_id IS NOT NULL");
  EXPECT_EQ(check("crls").status, "warning");
}

TEST_F(Checks, TellOfARotationThatIsNotFinished) {
  enrol("pump-1");
  EXPECT_EQ(check("key-encryption keys").status, "ok");
  database.execute("UPDATE muster.issuer_keys SET kek_id = 'another' WHERE tenant_id IS NOT NULL");
  EXPECT_EQ(check("key-encryption keys").status, "warning");
}

TEST_F(Checks, TellOfClaimsLeftOpenAndOfProfilesThatCannotHoldTheirPromise) {
  enrol("pump-1");
  EXPECT_EQ(check("claims").status, "ok");
  database.execute(
      "INSERT INTO muster.claims (tenant_id, kind, sha256, description, profile, devices, device_pattern, networks,"
      " may_create, may_reissue, max_uses, created_by, created_at, expires_at) SELECT id, 'secret',"
      " sha256('x'::bytea), '', 'device', '{}', 'pump-*', '{}', true, false, 10, 'test',"
      " now() - interval '8 days', now() + interval '1 day' FROM muster.tenants");
  EXPECT_EQ(check("claims").status, "warning");
  database.execute("UPDATE muster.claims SET uses = max_uses");
  EXPECT_EQ(check("claims").status, "ok");

  EXPECT_EQ(check("profiles").status, "ok");
  database.execute(
      "INSERT INTO muster.profiles (tenant_id, name, validity_seconds, backdate_seconds, key_algorithms, short_lived,"
      " crl_pointer, ocsp_pointer) SELECT id, 'long', 30::bigint * 365 * 86400, 0, '{p256}', false, true, false"
      " FROM muster.tenants");
  const Seen seen = check("profiles");
  EXPECT_EQ(seen.status, "warning");
  EXPECT_NE(seen.detail.find("acme/long"), std::string::npos) << seen.detail;
}

TEST_F(Checks, AreNotForTenants) {
  enrol("pump-1");
  const auto id = TenantId::parse(send("GET", "/v1/tenants/acme").body().value("id", ""));
  ASSERT_TRUE(id.ok());
  using registry::TokenRole;
  for (const TokenRole role : {TokenRole::kTenantAdmin, TokenRole::kFactory, TokenRole::kApplication}) {
    EXPECT_EQ(send({make_token(role, *id), ""}, "GET", "/v1/checks").status, 403);
  }
  EXPECT_EQ(send({make_token(TokenRole::kAuditor), ""}, "GET", "/v1/checks").status, 200);

  // A device that was let in over mTLS, and the admin of a tenant that asks under its own path.
  const TestTenant beta = make_tenant("beta");
  ApiLab::enrol(beta, "spy");
  EXPECT_EQ(send(Via{"", "spy"}, "GET", "/v1/checks").status, 403);
  const Answer asked = send({beta.admin, ""}, "GET", "/v1/checks?tenant=beta");
  EXPECT_EQ(asked.status, 403);
  EXPECT_EQ(asked.text.find("acme"), std::string::npos) << asked.text;
  EXPECT_EQ(send(Via{"", ""}, "GET", "/v1/checks").status, 401);
}

}  // namespace
}  // namespace muster::api
