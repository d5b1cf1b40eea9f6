// SPDX-License-Identifier: Apache-2.0
#include "core/encoding.h"
#include "enroll/bulk_revocation.h"
#include "integration/api/api_lab.h"
#include "support/eventually.h"

namespace muster::api {
namespace {

class Revocations : public ApiLab {
 protected:
  void SetUp() override {
    ApiLab::SetUp();
    acme = make_tenant("acme");
  }
  Answer post(const TestTenant& tenant, const json& body, const std::string& token = "") {
    return send({token.empty() ? tenant.admin : token, ""}, "POST", tenant.path + "/revocations", body.dump());
  }
  std::string count(const std::string& where) {
    return database.execute("SELECT count(*) FROM muster.certificates WHERE " + where);
  }
  // Certificates as if they were issued; none of their keys exists.
  void make_certificates(const TestTenant& tenant, const std::string& device, int number) {
    send({tenant.admin, ""}, "POST", tenant.path + "/devices", json{{"name", device}, {"groups", {"g"}}}.dump());
    database.execute(
        "INSERT INTO muster.certificates (id, tenant_id, device_id, issuer_id, serial, spki_sha256, not_before, "
        "not_after, crl_shard, profile, certificate) SELECT sha256(convert_to(d.id || ' ' || n, 'UTF8')), d.tenant_id, "
        "d.id, i.id, substr(sha256(convert_to('s' || d.id || ' ' || n, 'UTF8')), 1, 16), "
        "sha256(convert_to('k' || d.id || ' ' || n, 'UTF8')), now() - interval '1 day', now() + interval '1 year' + n "
        "* "
        "interval '1 second', 0, 'device', '\\x30' FROM muster.devices d JOIN muster.issuers i ON i.tenant_id = "
        "d.tenant_id, generate_series(1, " +
        std::to_string(number) + ") n WHERE d.name = '" + device + "' AND d.tenant_id = '" + tenant.id.text() + "'");
  }

  TestTenant acme;
};

TEST_F(Revocations, DryRunCountsAndChangesNothing) {
  make_certificates(acme, "d", 7);
  const Answer shown = post(acme, {{"query", {{"device", "d"}}}, {"dry_run", true}});
  ASSERT_EQ(shown.status, 200) << shown.text;
  EXPECT_EQ(shown.body()["count"], 7);
  EXPECT_EQ(shown.body()["certificates"].size(), 7u);
  EXPECT_EQ(count("status = 'revoked'"), "0");
}

TEST_F(Revocations, AQueryTakesPartsUntilItIsDoneAndNoMore) {
  make_certificates(acme, "d", 1'234);
  make_certificates(acme, "other", 3);
  const Answer done = post(acme, {{"reason", "keyCompromise"}, {"query", {{"device", "d"}, {"group", "g"}}}});
  ASSERT_EQ(done.status, 202) << done.text;
  EXPECT_EQ(done.body()["status"], "done");
  EXPECT_EQ(done.body()["revoked"], 1'234);
  EXPECT_EQ(count("status = 'revoked' AND revocation_reason = 1"), "1234");
  EXPECT_EQ(count("status = 'active'"), "3");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.revocations"), "1234");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.audit_events WHERE action = 'certificate.revoke'"), "1234");
  const Answer later = send({acme.admin, ""}, "GET", done.headers.at("location"));
  EXPECT_EQ(later.body(), done.body());
  const Answer again = post(acme, {{"query", {{"device", "d"}}}});
  EXPECT_EQ(again.body()["revoked"], 0);
}

TEST_F(Revocations, SerialsAreRevokedOnceAndOthersAreCounted) {
  const json first = enrol(acme, "a"), second = enrol(acme, "b");
  const json body = {{"reason", "superseded"},
                     {"serials", {first["serial"], second["serial"], second["serial"], "41ff"}}};
  const Answer done = post(acme, body);
  ASSERT_EQ(done.status, 202) << done.text;
  EXPECT_EQ(done.body()["revoked"], 2);
  EXPECT_EQ(done.body()["not_found"], 1);
  const Answer again = post(acme, body);
  EXPECT_EQ(again.body()["revoked"], 0);
  EXPECT_EQ(again.body()["already_revoked"], 2);
}

// What a process that ended has left is finished by whoever runs.
TEST_F(Revocations, AnUnfinishedOneIsGoneOnWith) {
  make_certificates(acme, "d", 20);
  const std::string id = database.execute(
      "INSERT INTO muster.bulk_revocations (tenant_id, reason, device_id, actor) SELECT tenant_id, 4, id, 'token:x' "
      "FROM "
      "muster.devices WHERE name = 'd' RETURNING id");
  EXPECT_TRUE(test_support::eventually([&] {
    return send({acme.admin, ""}, "GET", acme.path + "/revocations/" + id).body().value("status", "") == "done";
  }));
  EXPECT_EQ(count("status = 'revoked' AND revocation_reason = 4"), "20");
}

TEST_F(Revocations, NothingIsRevokedByAMissingOrWrongCriterion) {
  make_certificates(acme, "d", 3);
  EXPECT_EQ(post(acme, json::object()).reason(), "revocation.selection_invalid");
  EXPECT_EQ(post(acme, {{"query", json::object()}}).reason(), "revocation.selection_invalid");
  EXPECT_EQ(post(acme, {{"query", {{"devise", "d"}}}}).reason(), "request.field_unknown");
  EXPECT_EQ(post(acme, {{"query", {{"device", "nobody"}}}}).reason(), "device.not_found");
  EXPECT_EQ(post(acme, {{"serials", {"XYZ"}}}).reason(), "revocation.selection_invalid");
  EXPECT_EQ(post(acme, {{"serials", {"41"}}, {"query", {{"device", "d"}}}}).reason(), "revocation.selection_invalid");
  EXPECT_EQ(post(acme, {{"reason", "certificateHold"}, {"query", {{"device", "d"}}}}).reason(),
            "revocation.reason_invalid");
  EXPECT_EQ(count("status = 'revoked'"), "0");
}

TEST_F(Revocations, AHostileAdminRevokesNothingOfAnotherTenant) {
  const TestTenant beta = make_tenant("beta");
  const json theirs = enrol(beta, "b");
  const Answer by_serial = post(acme, {{"serials", {theirs["serial"]}}});
  EXPECT_EQ(by_serial.body()["not_found"], 1) << by_serial.text;
  EXPECT_EQ(by_serial.body()["revoked"], 0);
  const std::string issuer =
      database.execute("SELECT id FROM muster.issuers WHERE tenant_id = '" + beta.id.text() + "'");
  EXPECT_EQ(post(acme, {{"query", {{"issuer", issuer}}}}).body()["revoked"], 0);
  EXPECT_EQ(post(beta, {{"query", {{"device", "b"}}}}, acme.admin).status, 404);
  EXPECT_EQ(post(beta, {{"query", {{"device", "b"}}}}, beta.factory).status, 403);
  EXPECT_EQ(
      send({acme.admin, ""}, "POST", acme.path + "/certificates/" + theirs["serial"].get<std::string>() + "/revocation")
          .status,
      404);
  EXPECT_EQ(count("status = 'revoked'"), "0");
}

TEST_F(Revocations, ProfilesAreMadeChosenAndRemovedOverRest) {
  const std::string all = acme.path + "/profiles";
  EXPECT_EQ(send({acme.admin, ""}, "GET", all).body()["items"][0]["built_in"], true);
  const Answer made = send({acme.admin, ""}, "POST", all,
                           json{{"name", "short"}, {"short_lived", true}, {"validity_seconds", 3'600}}.dump());
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.body()["crl_pointer"], false);
  send({acme.admin, ""}, "POST", acme.path + "/devices", R"({"name":"d"})");
  const Answer issued = send({acme.admin, ""}, "POST", acme.path + "/devices/d/certificates",
                             json{{"csr", make_csr("d")}, {"profile", "short"}}.dump());
  ASSERT_EQ(issued.status, 201) << issued.text;
  EXPECT_EQ(send({acme.factory, ""}, "PATCH", all + "/short", R"({"validity_seconds":7200})").status, 403);
  EXPECT_EQ(send({acme.admin, ""}, "PATCH", all + "/short", R"({"validity_seconds":7200})").body()["validity_seconds"],
            7'200);
  EXPECT_EQ(send({acme.admin, ""}, "DELETE", all + "/short").status, 204);
  EXPECT_EQ(send({acme.admin, ""}, "GET", all + "/short").reason(), "profile.not_found");
}

}  // namespace
}  // namespace muster::api
