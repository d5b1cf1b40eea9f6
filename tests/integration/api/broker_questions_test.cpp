// SPDX-License-Identifier: Apache-2.0
//
// A broker of another make asks: bodies as EMQX's HTTP authentication and authorisation send them.
#include <gtest/gtest.h>

#include "core/encoding.h"
#include "integration/api/edge_lab.h"
#include "integration/auth_plugin/device_pki.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

class BrokerQuestions : public EdgeLab {
 protected:
  void SetUp() override {
    EdgeLab::SetUp();
    acme = make_tenant("acme");
    beta = make_tenant("beta");
    pump = enrol(acme, "pump");
    valve = enrol(beta, "valve");
    broker = {make_token(registry::TokenRole::kBroker), ""};
    acme_broker = {make_token(registry::TokenRole::kBroker, acme.id), ""};
  }
  json client(const std::string& name, const json& certificate) const {
    return {{"clientid", name},        {"username", name},       {"password", "undefined"},
            {"peerhost", "192.0.2.7"}, {"cert_subject", "CN=x"}, {"cert_pem", certificate}};
  }
  json authn(const Via& via, const json& body, const std::string& query = "") {
    const Answer answer = send(via, "POST", "/v1/authn" + query, body.dump());
    EXPECT_EQ(answer.status, 200) << answer.text;
    return answer.body();
  }
  std::string refusal(const Via& via, const json& body) {
    const json answer = authn(via, body);
    EXPECT_EQ(answer.value("result", ""), "deny");
    EXPECT_FALSE(answer.contains("expire_at"));
    return answer.value("reason", "");
  }
  // "" allows, otherwise the reason to deny.
  std::string authz(const Via& via, const std::string& name, const std::string& action, const std::string& topic,
                    const json& certificate = nullptr) {
    const Answer answer = send(via, "POST", "/v1/authz",
                               json{{"clientid", name},
                                    {"username", name},
                                    {"action", action},
                                    {"topic", topic},
                                    {"qos", "1"},
                                    {"retain", "false"},
                                    {"cert_pem", certificate}}
                                   .dump());
    EXPECT_EQ(answer.status, 200) << answer.text;
    const json body = answer.body();
    if (body == json{{"result", "allow"}}) return "";
    EXPECT_EQ(body.value("result", ""), "deny") << answer.text;
    return body.value("reason", "");
  }
  std::string pem(const json& issued) const { return issued.value("certificate", ""); }
  void revoke(const TestTenant& tenant, const json& issued) {
    const Answer answer =
        send({tenant.admin, ""}, "POST", tenant.path + "/certificates/" + issued.value("id", "") + "/revocation", "{}");
    ASSERT_EQ(answer.status, 200) << answer.text;
  }
  void set_status(const TestTenant& tenant, const std::string& device, const std::string& status) {
    ASSERT_EQ(
        send({tenant.admin, ""}, "PATCH", tenant.path + "/devices/" + device, json{{"status", status}}.dump()).status,
        200);
  }

  TestTenant acme, beta;
  json pump, valve;
  Via broker, acme_broker;
};

TEST_F(BrokerQuestions, ACertificateOfOursIsLetInUntilItEnds) {
  const json answer = authn(broker, client("acme/pump", pem(pump)));
  EXPECT_EQ(answer.value("result", ""), "allow");
  EXPECT_EQ(answer.value("is_superuser", true), false);
  const UtcTime not_after = parse_rfc3339(pump.value("not_after", "")).value();
  EXPECT_EQ(answer.value("expire_at", 0LL), not_after.time_since_epoch().count());
  EXPECT_EQ(answer["client_attrs"].value("certificate", ""), pump.value("id", ""));
}

TEST_F(BrokerQuestions, EveryFormInWhichABrokerRendersTheCertificateIsRead) {
  const auto der = x509::Certificate::parse_pem(pem(pump)).value();
  for (const std::string& form :
       {pem(pump), pem(pump) + pump.value("chain", ""), to_base64(der.der()), to_base64(as_bytes(pem(pump)))}) {
    EXPECT_EQ(authn(broker, client("acme/pump", form)).value("result", ""), "allow") << form;
  }
}

TEST_F(BrokerQuestions, ASessionEndsAsSoonAsTheOperatorWants) {
  const UtcTime before = clock.now();
  const json answer = authn(broker, client("acme/pump", pem(pump)), "?max_session_seconds=600");
  EXPECT_GE(answer.value("expire_at", 0LL), before.time_since_epoch().count() + 600);
  EXPECT_LE(answer.value("expire_at", 0LL), clock.now().time_since_epoch().count() + 600);
  for (const std::string bad : {"?max_session_seconds=9", "?max_session_seconds=x", "?max_session=600"}) {
    EXPECT_EQ(authn(broker, client("acme/pump", pem(pump)), bad).value("result", ""), "deny") << bad;
  }
}

TEST_F(BrokerQuestions, WithoutACertificateNobodyConnects) {
  for (const json& nothing : {json(nullptr), json(""), json("undefined")}) {
    EXPECT_EQ(refusal(broker, client("acme/pump", nothing)), "connect.certificate_missing");
  }
}

TEST_F(BrokerQuestions, TheClientIdMustBeThePrincipalAndTheUsernameNobodyElses) {
  EXPECT_EQ(refusal(broker, client("acme/other", pem(pump))), "connect.client_id_mismatch");
  EXPECT_EQ(refusal(broker, client("pump", pem(pump))), "connect.client_id_mismatch");
  json body = client("acme/pump", pem(pump));
  body["username"] = "beta/valve";
  EXPECT_EQ(refusal(broker, body), "connect.username_mismatch");
  body["username"] = "";
  EXPECT_EQ(authn(broker, body).value("result", ""), "allow");
}

TEST_F(BrokerQuestions, WhatTheRegistrySaysCountsAtOnce) {
  const json question = client("acme/pump", pem(pump));
  set_status(acme, "pump", "suspended");
  EXPECT_EQ(refusal(broker, question), "device.suspended");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t", pem(pump)), "device.suspended");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t"), "device.suspended");
  set_status(acme, "pump", "active");
  EXPECT_EQ(authn(broker, question).value("result", ""), "allow");
  revoke(acme, pump);
  EXPECT_EQ(refusal(broker, question), "certificate.revoked");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t", pem(pump)), "certificate.revoked");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t"), "connect.certificate_missing");
  ASSERT_EQ(send("PATCH", "/v1/tenants/beta", {{"status", "suspended"}}).status, 200);
  EXPECT_EQ(refusal(broker, client("beta/valve", pem(valve))), "tenant.suspended");
}

TEST_F(BrokerQuestions, TopicsAreDecidedByThePolicyOfTheDevice) {
  for (const json& certificate : {json(pem(pump)), json(nullptr)}) {
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t", certificate), "");
    EXPECT_EQ(authz(broker, "acme/pump", "subscribe", "acme/pump/commands/#", certificate), "");
    EXPECT_EQ(authz(broker, "acme/pump", "subscribe", "acme/pump/#", certificate), "acl.not_in_policy");
    EXPECT_EQ(authz(broker, "acme/pump", "subscribe", "#", certificate), "acl.not_in_policy");
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/other/telemetry/t", certificate), "acl.not_in_policy");
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "beta/valve/telemetry/t", certificate), "acl.not_in_policy");
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/+", certificate), "acl.topic_invalid");
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "$SYS/broker", certificate), "acl.dollar_topic");
    EXPECT_EQ(authz(broker, "acme/pump", "publish", "", certificate), "acl.topic_invalid");
  }
  ASSERT_EQ(
      send({acme.admin, ""}, "POST", acme.path + "/policies",
           json{{"name", "narrow"}, {"rules", {{{"action", "publish"}, {"topics", {"${tenant}/${device}/only"}}}}}}
               .dump())
          .status,
      201);
  ASSERT_EQ(send({acme.admin, ""}, "PATCH", acme.path + "/devices/pump", R"({"policy":"narrow"})").status, 200);
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/only", pem(pump)), "");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t", pem(pump)), "acl.not_in_policy");
}

TEST_F(BrokerQuestions, WhatAMessageCarriesIsComparedWithThePolicy) {
  const json rules = {
      {{"action", "publish"}, {"topics", {"${tenant}/${device}/x"}}, {"max_qos", 1}, {"max_payload", 9}},
      {{"action", "publish"}, {"topics", {"${tenant}/${device}/state"}}},
      {{"action", "retain"}, {"topics", {"${tenant}/${device}/state"}}},
      {{"action", "subscribe"}, {"topics", {"${tenant}/${device}/s"}}, {"max_qos", 0}}};
  ASSERT_EQ(
      send({acme.admin, ""}, "POST", acme.path + "/policies", json{{"name", "strict"}, {"rules", rules}}.dump()).status,
      201);
  ASSERT_EQ(send({acme.admin, ""}, "PATCH", acme.path + "/devices/pump", R"({"policy":"strict"})").status, 200);
  const auto asked = [&](const std::string& action, const std::string& topic, const json& carried) {
    json body{{"clientid", "acme/pump"}, {"action", action}, {"topic", topic}, {"cert_pem", pem(pump)}};
    body.update(carried);
    return send(broker, "POST", "/v1/authz", body.dump()).body().value("reason", "");
  };

  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", 1}, {"retain", false}}), "");
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", "2"}, {"retain", "false"}}), "acl.qos_not_allowed");
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", 1}, {"retain", "true"}}), "acl.retain_not_allowed");
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", 1}, {"retain", false}, {"payload_size", 10}}),
            "acl.payload_too_large");
  EXPECT_EQ(asked("publish", "acme/pump/state", {{"qos", 2}, {"retain", true}}), "");
  EXPECT_EQ(asked("subscribe", "acme/pump/s", {{"qos", "0"}, {"retain", "undefined"}}), "");
  EXPECT_EQ(asked("subscribe", "acme/pump/s", {{"qos", "1"}}), "acl.qos_not_allowed");
  // A broker that does not say it gets nothing that depends on it.
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"retain", false}}), "acl.qos_not_allowed");
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", 0}}), "acl.retain_not_allowed");
  EXPECT_EQ(asked("publish", "acme/pump/x", {{"qos", "least"}, {"retain", false}}), "request.field_invalid");
}

TEST_F(BrokerQuestions, ATenantsBrokerLearnsNothingOfOtherTenants) {
  EXPECT_EQ(authn(acme_broker, client("acme/pump", pem(pump))).value("result", ""), "allow");
  // As for a certificate, a tenant and a device that nobody has.
  const std::string stranger = refusal(acme_broker, client("beta/valve", pem(valve)));
  EXPECT_EQ(stranger, "chain.anchor_unknown");
  EXPECT_EQ(authz(acme_broker, "beta/valve", "publish", "beta/valve/telemetry/t", pem(valve)), stranger);
  const std::string nobody = authz(acme_broker, "nobody/valve", "publish", "nobody/valve/telemetry/t");
  EXPECT_EQ(authz(acme_broker, "beta/valve", "publish", "beta/valve/telemetry/t"), nobody);
  revoke(beta, valve);
  EXPECT_EQ(refusal(acme_broker, client("beta/valve", pem(valve))), stranger);
  // Nor does it decide for its own by another tenant's certificate.
  EXPECT_EQ(refusal(acme_broker, client("acme/pump", pem(valve))), stranger);
  EXPECT_EQ(authz(acme_broker, "acme/pump", "publish", "acme/pump/telemetry/t", pem(valve)), stranger);
}

TEST_F(BrokerQuestions, AnEdgeAsksWithItsCertificateForItsTenantsOnly) {
  const JoinedEdge all = join_edge({{"name", "berlin"}});
  const JoinedEdge one = join_edge({{"name", "essen"}, {"tenants", {"acme"}}});
  EXPECT_EQ(authn(all.via, client("beta/valve", pem(valve))).value("result", ""), "allow");
  EXPECT_EQ(authn(one.via, client("acme/pump", pem(pump))).value("result", ""), "allow");
  EXPECT_EQ(refusal(one.via, client("beta/valve", pem(valve))), "chain.anchor_unknown");
  EXPECT_EQ(authz(one.via, "acme/pump", "publish", "acme/pump/telemetry/t", pem(pump)), "");
  ASSERT_EQ(send("DELETE", "/v1/edges/berlin").status, 204);
  EXPECT_EQ(send(all.via, "POST", "/v1/authn", client("acme/pump", pem(pump)).dump()).status, 401);
}

TEST_F(BrokerQuestions, OnlyBrokersAndAdminsAskAndABrokerDoesNothingElse) {
  const std::string question = client("acme/pump", pem(pump)).dump();
  const auto status = [&](const Via& via) { return send(via, "POST", "/v1/authn", question).status; };
  EXPECT_EQ(status({"", ""}), 401);
  EXPECT_EQ(status({"mst_" + std::string(43, 'A'), ""}), 401);
  EXPECT_EQ(status({acme.admin, ""}), 200);
  EXPECT_EQ(status({admin, ""}), 200);
  for (const auto role :
       {registry::TokenRole::kFactory, registry::TokenRole::kAuditor, registry::TokenRole::kApplication}) {
    EXPECT_EQ(status({make_token(role, acme.id), ""}), 403);
  }
  EXPECT_EQ(status({"", "pump"}), 403);  // a device
  for (const Via& via : {broker, acme_broker}) {
    EXPECT_NE(send(via, "GET", acme.path + "/devices").status, 200);
    EXPECT_NE(send(via, "GET", "/v1/tenants").status, 200);
    EXPECT_NE(send(via, "GET", "/v1/audit").status, 200);
    EXPECT_NE(send(via, "POST", acme.path + "/devices", R"({"name":"x"})").status, 201);
    EXPECT_NE(send(via, "GET", acme.path + "/streams/raw/records?group=g").status, 200);
  }
}

// EMQX goes on to "allow" after anything but a 200 with "deny".
TEST_F(BrokerQuestions, WhateverADeviceCouldBringAboutIsADenial) {
  const auto result = [&](const std::string& path, const std::string& body) {
    const Answer answer = send(broker, "POST", path, body);
    EXPECT_EQ(answer.status, 200) << answer.text;
    return answer.body().value("result", "");
  };
  for (const std::string path : {"/v1/authn", "/v1/authz"}) {
    for (const std::string body : {"", "{", "[]", "{}", "\xff", R"({"clientid":1})", R"({"clientid":"\u0000"})",
                                   R"({"clientid":"acme/pump","cert_pem":{}})"}) {
      EXPECT_EQ(result(path, body), "deny") << path << " " << body;
    }
    json long_names = client(std::string(65'535, '\x01'), pem(pump));
    long_names["action"] = "publish";
    long_names["topic"] = std::string(65'535, '\x02');
    long_names["username"] = std::string(65'535, '\x03');
    EXPECT_EQ(result(path, long_names.dump()), "deny");
  }
  ASSERT_EQ(send("PATCH", "/v1/tenants/acme", {{"status", "suspended"}}).status, 200);
  EXPECT_EQ(authn(acme_broker, client("acme/pump", pem(pump))).value("result", ""), "deny");
}

TEST_F(BrokerQuestions, AForgedOrAlteredCertificateIsRefused) {
  auto der = x509::Certificate::parse_pem(pem(pump)).value();
  Bytes altered(der.der().begin(), der.der().end());
  altered.back() ^= 1;
  EXPECT_EQ(authn(broker, client("acme/pump", to_base64(altered))).value("result", ""), "deny");
  // A certificate of the right name by a CA of somebody's own.
  test_support::SpawnOptions options;
  options.command = {"sh", "-c",
                     "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + path("own.key") +
                         " -out " + path("own.pem") +
                         " -subj /CN=pump -addext subjectAltName=URI:spiffe://acme.muster.local/device/pump"};
  options.output_file = path("own.log");
  ASSERT_TRUE(test_support::run(options).success());
  EXPECT_EQ(refusal(broker, client("acme/pump", read("own.pem"))), "chain.anchor_unknown");
  EXPECT_EQ(authz(broker, "acme/pump", "publish", "acme/pump/telemetry/t", read("own.pem")), "chain.anchor_unknown");
}

TEST_F(BrokerQuestions, ADeviceOfATenantsOwnPkiComesByItsAnchor) {
  using test_support::Credential;
  using test_support::make_certificate;
  const auto text_of = [](const Credential& credential) {
    return x509::Certificate::parse_der(credential.der())->pem();
  };
  const Credential root = make_certificate({.common_name = "Plant", .extended_key_usage = "", .ca = true});
  const Credential robot = make_certificate({.common_name = "robot"}, &root);
  const Answer made =
      send("POST", "/v1/tenants/acme/trust-anchors", {{"certificates", text_of(root)}, {"device_id_from", "cn"}});
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string anchor = "/v1/tenants/acme/trust-anchors/" + made.body().value("id", "");
  const std::string code = made.body()["verification"]["code"];
  ASSERT_EQ(
      send("POST", anchor + "/verification", {{"certificate", text_of(make_certificate({.common_name = code}, &root))}})
          .status,
      200);
  const json question = client("acme/robot", text_of(robot));
  EXPECT_EQ(refusal(broker, question), "device.not_registered");
  ASSERT_EQ(send("POST", "/v1/tenants/acme/devices", {{"name", "robot"}}).status, 201);
  ASSERT_EQ(send("POST", anchor + "/devices", {{"device", "robot"}}).status, 201);

  EXPECT_EQ(authn(broker, question).value("result", ""), "allow");
  EXPECT_EQ(authn(acme_broker, question).value("result", ""), "allow");
  EXPECT_EQ(authz(broker, "acme/robot", "publish", "acme/robot/telemetry/t", text_of(robot)), "");
  EXPECT_EQ(authz(broker, "acme/robot", "publish", "acme/pump/telemetry/t", text_of(robot)), "acl.not_in_policy");
  // Which certificate it came with is not known: revocations could not be looked at.
  EXPECT_EQ(authz(broker, "acme/robot", "publish", "acme/robot/telemetry/t"), "connect.certificate_missing");
  EXPECT_EQ(refusal({make_token(registry::TokenRole::kBroker, beta.id), ""}, question), "chain.anchor_unknown");
  ASSERT_EQ(send("PATCH", anchor, {{"status", "suspended"}}).status, 200);
  EXPECT_EQ(refusal(broker, question), "chain.anchor_unknown");  // one that lets nobody in is not looked for
}

}  // namespace
}  // namespace muster::api
