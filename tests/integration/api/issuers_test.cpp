// SPDX-License-Identifier: Apache-2.0
#include "integration/api/api_lab.h"
#include "integration/enroll/customer_ca.h"

namespace muster::api {
namespace {

class Issuers : public ApiLab {
 protected:
  void SetUp() override {
    ApiLab::SetUp();
    acme = make_tenant("acme");
    issuers = acme.path + "/issuers";
  }
  Answer by(const std::string& token, const std::string& method, const std::string& target,
            const json& body = nullptr) {
    return send({token, ""}, method, target, body.is_null() ? "" : body.dump());
  }
  TestTenant acme;
  std::string issuers;
};

TEST_F(Issuers, ATenantRollsItsIssuingCaOver) {
  const Answer made = by(acme.admin, "POST", issuers, {{"kind", "internal"}, {"name", "of 2027"}});
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string id = made.body().value("id", "");
  EXPECT_EQ(made.headers.at("location"), issuers + "/" + id);
  EXPECT_EQ(made.body().value("status", ""), "prepare");
  EXPECT_TRUE(made.body()["request"].is_null());
  EXPECT_EQ(by(acme.admin, "GET", issuers + "/" + id).body().value("name", ""), "of 2027");
  const Answer active = by(acme.admin, "PATCH", issuers + "/" + id, {{"status", "active"}});
  EXPECT_EQ(active.status, 200) << active.text;
  std::map<std::string, int> states;
  const json listed = by(acme.admin, "GET", issuers).body();
  for (const json& item : listed["items"]) ++states[item.value("status", "")];
  EXPECT_EQ(states, (std::map<std::string, int>{{"active", 1}, {"retiring", 1}}));
}

TEST_F(Issuers, ARequestGoesOutAndTheChainComesIn) {
  const enroll::CustomerCa customer;
  const Answer made = by(acme.admin, "POST", issuers, {{"kind", "subordinate"}});
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string one = issuers + "/" + made.body().value("id", "");
  EXPECT_TRUE(made.body()["certificate"].is_null());
  const std::string request = made.body().value("request", "");
  EXPECT_EQ(by(acme.admin, "GET", one + "/request").body().value("request", ""), request);
  const Answer early = by(acme.admin, "PATCH", one, {{"status", "active"}});
  EXPECT_EQ(early.status, 409);
  EXPECT_EQ(early.reason(), "issuer.certificate_missing");
  const Answer wrong = by(acme.admin, "PUT", one + "/certificate", {{"chain", customer.sign(request)}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.reason(), "issuer.chain_incomplete");
  const Answer installed = by(acme.admin, "PUT", one + "/certificate", {{"chain", customer.chain(request)}});
  EXPECT_EQ(installed.status, 200) << installed.text;
  EXPECT_EQ(by(acme.admin, "PATCH", one, {{"status", "active"}}).status, 200);
  const json issued = enrol(acme, "pump-1");
  EXPECT_TRUE(customer.verifies(issued.value("certificate", ""), issued.value("chain", "")));
}

TEST_F(Issuers, WhoMayWhat) {
  const TestTenant beta = make_tenant("beta");
  const std::string id = by(acme.admin, "GET", issuers).body()["items"][0].value("id", "");
  const json retire{{"status", "retired"}, {"force", true}};
  EXPECT_EQ(by(acme.factory, "POST", issuers, {{"kind", "internal"}}).status, 403);
  EXPECT_EQ(by(acme.factory, "PATCH", issuers + "/" + id, retire).status, 403);
  EXPECT_EQ(by(acme.factory, "POST", acme.path + "/incidents", {{"issuer", id}}).status, 403);
  EXPECT_EQ(by(beta.admin, "PATCH", issuers + "/" + id, retire).status, 404);
  const Answer elsewhere = by(beta.admin, "PATCH", beta.path + "/issuers/" + id, retire);
  EXPECT_EQ(elsewhere.status, 404);
  EXPECT_EQ(elsewhere.reason(), "issuer.not_found");
  EXPECT_EQ(by(beta.admin, "POST", beta.path + "/incidents", {{"issuer", id}}).reason(), "issuer.not_found");
}

TEST_F(Issuers, BodiesAreChecked) {
  const auto reason = [&](const json& body) { return by(acme.admin, "POST", issuers, body).reason(); };
  EXPECT_EQ(reason({{"kind", "external"}}), "request.field_invalid");
  EXPECT_EQ(reason({{"kind", "internal"}, {"key_algorithm", "rsa-1024"}}), "request.field_invalid");
  EXPECT_EQ(reason({{"kind", "internal"}, {"validity_seconds", 5}}), "request.field_invalid");
  EXPECT_EQ(reason({{"kind", "subordinate"}, {"validity_seconds", 864000}}), "request.field_invalid");
  EXPECT_EQ(reason({{"kind", "internal"}, {"slot", "Not a slot"}}), "issuer.slot_invalid");
  const std::string incidents = acme.path + "/incidents";
  EXPECT_EQ(by(acme.admin, "POST", incidents, json::object()).reason(), "request.field_invalid");
  EXPECT_EQ(by(acme.admin, "POST", incidents, {{"key", "00"}}).reason(), "request.field_invalid");
  EXPECT_EQ(by(acme.admin, "POST", incidents, {{"certificates", json::array()}}).reason(), "request.field_invalid");
}

TEST_F(Issuers, ADeviceAsksWhenToRenewAndAnIncidentSaysNow) {
  const json issued = enrol(acme, "pump-1");
  enrol(acme, "pump-2");
  const std::string renewal = acme.path + "/devices/pump-1/renewal";
  const Answer calm = send({"", "pump-1"}, "GET", renewal);
  ASSERT_EQ(calm.status, 200) << calm.text;
  EXPECT_EQ(calm.body().value("certificate", ""), issued.value("id", ""));
  EXPECT_TRUE(calm.body()["reason"].is_null());
  EXPECT_EQ(calm.headers.at("retry-after"), std::to_string(calm.body().value("retry_after", 0)));
  EXPECT_EQ(send({"", "pump-2"}, "GET", renewal).status, 404) << "to a device no other device exists";

  const std::string id = by(acme.admin, "GET", issuers).body()["items"][0].value("id", "");
  const Answer incident = by(acme.admin, "POST", issuers + "/" + id + "/reissue", {{"reason", "a new root"}});
  ASSERT_EQ(incident.status, 201) << incident.text;
  const json urgent = send({"", "pump-1"}, "GET", renewal).body();
  EXPECT_EQ(urgent.value("reason", ""), "a new root");
  EXPECT_LT(urgent["window"].value("end", ""), to_rfc3339(clock.now() + std::chrono::seconds{2}));
  EXPECT_EQ(by(acme.admin, "GET", acme.path + "/incidents").body()["items"].size(), 1U);
  EXPECT_EQ(by(acme.admin, "DELETE", incident.headers.at("location")).status, 204);
  EXPECT_EQ(by(acme.admin, "DELETE", incident.headers.at("location")).reason(), "incident.not_found");
  EXPECT_TRUE(send({"", "pump-1"}, "GET", renewal).body()["reason"].is_null());
}

TEST_F(Issuers, WhetherOldCertificatesEndIsTheTenantsChoice) {
  EXPECT_EQ(by(acme.admin, "GET", acme.path + "/renewal").body().value("superseding", ""), "on-connect");
  EXPECT_EQ(by(acme.admin, "PUT", acme.path + "/renewal", {{"superseding", "never"}}).status, 200);
  EXPECT_EQ(by(acme.admin, "GET", acme.path + "/renewal").body().value("superseding", ""), "never");
  EXPECT_EQ(by(acme.admin, "PUT", acme.path + "/renewal", {{"superseding", "soon"}}).status, 400);
  EXPECT_EQ(by(acme.factory, "PUT", acme.path + "/renewal", {{"superseding", "never"}}).status, 403);
}

}  // namespace
}  // namespace muster::api
