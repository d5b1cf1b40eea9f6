// SPDX-License-Identifier: Apache-2.0
//
// A hostile tenant admin, factory, auditor, application, broker and device over REST: other tenants' ids in paths and
// bodies, operations beyond a role, bodies made to confuse.
#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "core/encoding.h"
#include "integration/api/edge_lab.h"
#include "integration/auth_plugin/device_pki.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

using Names = std::map<std::string, std::string>;  // what stands for "{device}" and its like

class HostileCallers : public EdgeLab {
 protected:
  void SetUp() override {
    EdgeLab::SetUp();
    acme = make_tenant("acme");
    beta = make_tenant("beta");
    own = furnish(acme, "pump");
    theirs = furnish(beta, "valve");
  }

  Answer by(const std::string& token, const std::string& method, const std::string& target,
            const json& body = nullptr) {
    return send({token, ""}, method, target, body.is_null() ? "" : body.dump());
  }
  // As the tenant's admin; returns the id that the answer gives.
  std::string make(const TestTenant& tenant, const std::string& path, const json& body) {
    const Answer made = by(tenant.admin, "POST", tenant.path + path, body);
    EXPECT_EQ(made.status / 100, 2) << path << ": " << made.text;
    return made.body().value("id", "");
  }
  // One of everything that a tenant can have, all called after `device`.
  Names furnish(const TestTenant& tenant, const std::string& device) {
    const json certificate = enrol(tenant, device);
    const std::string second = device + "-meter";
    make(tenant, "/devices", {{"name", second}});
    make(tenant, "/policies",
         {{"name", "of-" + device}, {"rules", {{{"action", "publish"}, {"topics", {"${tenant}/${device}/x"}}}}}});
    make(tenant, "/groups", {{"name", "of-" + device}, {"policy", "of-" + device}});
    make(tenant, "/profiles", {{"name", "of-" + device}});
    const std::string incident = make(tenant, "/incidents", {{"certificates", {certificate.value("id", "")}}});
    const json issuers = by(tenant.admin, "GET", tenant.path + "/issuers").body();
    const Answer batch = send({tenant.admin, ""}, "POST", tenant.path + "/batches", "{}\n");
    const std::string results = batch.headers.at("location");
    const std::string before = "/batches/";
    return {{"{tenant}", tenant.name},
            {"{device}", device},
            {"{certificate}", certificate.value("id", "")},
            {"{stream}", "raw"},
            {"{policy}", "of-" + device},
            {"{group}", "of-" + device},
            {"{profile}", "of-" + device},
            {"{incident}", incident},
            {"{issuer}", issuers["items"][0].value("id", "")},
            {"{anchor}", make_anchor(tenant, device)},
            {"{claim}", make(tenant, "/claims", {{"devices", {device}}})},
            {"{token}", make(tenant, "/tokens", {{"role", "application"}})},
            {"{batch}", results.substr(results.find(before) + before.size(), 36)},
            {"{revocation}", make(tenant, "/revocations", {{"query", {{"device", second}}}})},
            {"{command}", make(tenant, "/devices/" + device + "/commands", {{"name", "reset"}})},
            {"{grant}", make(tenant, "/devices/" + device + "/grants",
                             {{"on", second}, {"actions", {"publish"}}, {"topics", {"telemetry/#"}}})},
            {"serial", certificate.value("serial", "")}};
  }
  std::string make_anchor(const TestTenant& tenant, const std::string& name) {
    const auto root =
        test_support::make_certificate({.common_name = "PKI of " + name, .extended_key_usage = "", .ca = true});
    return make(tenant, "/trust-anchors",
                {{"certificates", x509::Certificate::parse_der(root.der())->pem()}, {"device_id_from", "cn"}});
  }

  // Operations on tenants and the platform that want a caller who is authorised.
  std::vector<std::string> guarded_operations() {
    std::vector<std::string> guarded;
    for (const std::string& operation : server->operations()) {
      const std::string pattern = operation.substr(operation.find(' ') + 1);
      const bool other = pattern.starts_with("/v1/edge/") || pattern == "/v1/authn" || pattern == "/v1/authz";
      if (pattern.starts_with("/v1/") && !other) guarded.push_back(operation);
    }
    return guarded;
  }
  static std::string fill(std::string pattern, const Names& names) {
    for (const auto& [from, to] : names) {
      const std::size_t at = pattern.find(from);
      if (from.starts_with("{") && at != std::string::npos) pattern.replace(at, from.size(), to);
    }
    return pattern;
  }

  // Everything that a tenant's admin can change, but for what servers do by themselves (audit, CRLs, OCSP).
  std::string state_of(const TestTenant& tenant) {
    std::string state;
    for (const char* table : {"devices", "policies", "group_policies", "device_grants", "device_commands", "tokens",
                              "claims", "issuers", "trust_anchors", "incidents", "profiles", "batches", "certificates",
                              "est_settings", "renewal_settings", "external_credentials"}) {
      state += std::string(table) + " " +
               database.execute(std::string("SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY "
                                            "t::text)), '') FROM muster.") +
                                table + " AS t WHERE t.tenant_id = '" + tenant.id.text() + "'") +
               "\n";
    }
    return state + database.execute("SELECT t::text FROM muster.tenants AS t WHERE t.id = '" + tenant.id.text() + "'");
  }

  std::vector<std::pair<std::string, Via>> tenant_callers() {
    using Role = registry::TokenRole;
    return {{"tenant-admin", {acme.admin, ""}},
            {"factory", {acme.factory, ""}},
            {"auditor", {make_token(Role::kAuditor, acme.id), ""}},
            {"application", {make_token(Role::kApplication, acme.id), ""}},
            {"broker", {make_token(Role::kBroker, acme.id), ""}},
            {"device", {"", "pump"}}};
  }

  TestTenant acme, beta;
  Names own, theirs;
};

TEST_F(HostileCallers, AnotherTenantsThingsAreNotThereWhateverIsAsked) {
  const std::string before = state_of(beta);
  const auto callers = tenant_callers();
  int tried = 0;
  for (const std::string& operation : guarded_operations()) {
    const std::size_t space = operation.find(' ');
    if (operation.find("{tenant}") == std::string::npos) continue;
    const std::string target = fill(operation.substr(space + 1), theirs);
    ASSERT_EQ(target.find('{'), std::string::npos) << target << ": what is called so in the test?";
    for (const auto& [role, via] : callers) {
      const Answer answer = send(via, operation.substr(0, space), target);
      EXPECT_EQ(answer.status, 404) << role << " " << operation;
      EXPECT_EQ(answer.reason(), "tenant.not_found") << role << " " << operation;
      ++tried;
    }
  }
  EXPECT_GE(tried, 400);
  EXPECT_EQ(state_of(beta), before);
  EXPECT_EQ(by(acme.admin, "GET", "/v1/audit?tenant=beta").status, 404);
  const json audit = by(acme.admin, "GET", "/v1/audit?limit=1000").body().at("items");
  EXPECT_TRUE(std::any_of(audit.begin(), audit.end(), [](const json& event) { return event["outcome"] == "refused"; }));
  EXPECT_TRUE(std::all_of(audit.begin(), audit.end(), [](const json& event) { return event["tenant"] == "acme"; }));
}

// The path names the caller's own tenant, the rest is another's.
TEST_F(HostileCallers, IdsOfAnotherTenantNameNothingInOnesOwn) {
  const auto t = [&](const std::string& name) { return theirs.at(name); };
  const json nothing = json::object();
  const json rules = {{"rules", {{{"action", "publish"}, {"topics", {"${tenant}/${device}/x"}}}}}};
  const json grant = {{"on", t("{device}")}, {"actions", {"publish"}}, {"topics", {"#"}}};
  const std::string csr = make_csr("foreign");
  struct Case {
    const char* method;
    std::string path;
    json body;
  };
  const std::vector<Case> cases = {
      {"GET", "/devices/" + t("{device}"), nullptr},
      {"PATCH", "/devices/" + t("{device}"), {{"status", "suspended"}}},
      {"DELETE", "/devices/" + t("{device}"), nullptr},
      {"GET", "/devices/" + t("{device}") + "/renewal", nullptr},
      {"POST", "/devices/" + t("{device}") + "/certificates", {{"csr", csr}}},
      {"POST", "/devices/" + t("{device}") + "/commands", {{"name", "reset"}}},
      {"GET", "/devices/pump/commands/" + t("{command}"), nullptr},
      {"GET", "/devices/" + t("{device}") + "/grants", nullptr},
      {"POST", "/devices/pump/grants", grant},
      {"GET", "/devices/pump/grants/" + t("{grant}"), nullptr},
      {"DELETE", "/devices/pump/grants/" + t("{grant}"), nullptr},
      {"POST", "/devices", {{"name", "new"}, {"policy", t("{policy}")}}},
      {"PATCH", "/devices/pump", {{"policy", t("{policy}")}}},
      {"PATCH", "", {{"default_policy", t("{policy}")}}},
      {"GET", "/policies/" + t("{policy}"), nullptr},
      {"PUT", "/policies/" + t("{policy}"), rules},
      {"DELETE", "/policies/" + t("{policy}"), nullptr},
      {"POST", "/policy-tests", {{"device", t("{device}")}, {"action", "publish"}, {"topic", "beta/valve/x"}}},
      {"POST", "/groups", {{"name", "mine"}, {"policy", t("{policy}")}}},
      {"PUT", "/groups/" + t("{group}"), {{"policy", t("{policy}")}}},
      {"GET", "/groups/" + t("{group}"), nullptr},
      {"DELETE", "/groups/" + t("{group}"), nullptr},
      {"GET", "/profiles/" + t("{profile}"), nullptr},
      {"PATCH", "/profiles/" + t("{profile}"), {{"short_lived", true}}},
      {"DELETE", "/profiles/" + t("{profile}"), nullptr},
      {"POST", "/profiles", {{"name", "mine"}, {"issuer_id", t("{issuer}")}}},
      {"DELETE", "/tokens/" + t("{token}"), nullptr},
      {"GET", "/claims/" + t("{claim}"), nullptr},
      {"DELETE", "/claims/" + t("{claim}"), nullptr},
      {"GET", "/certificates/" + t("{certificate}"), nullptr},
      {"GET", "/certificates/" + t("serial"), nullptr},
      {"POST", "/certificates/" + t("{certificate}") + "/revocation", nothing},
      {"POST", "/certificates/" + t("serial") + "/revocation", nothing},
      {"POST", "/incidents", {{"issuer", t("{issuer}")}}},
      {"POST", "/incidents", {{"certificates", {t("{certificate}")}}}},
      {"DELETE", "/incidents/" + t("{incident}"), nullptr},
      {"GET", "/issuers/" + t("{issuer}"), nullptr},
      {"PATCH", "/issuers/" + t("{issuer}"), {{"status", "retired"}, {"force", true}}},
      {"POST", "/issuers/" + t("{issuer}") + "/reissue", nothing},
      {"GET", "/trust-anchors/" + t("{anchor}"), nullptr},
      {"PATCH", "/trust-anchors/" + t("{anchor}"), {{"status", "revoked"}}},
      {"DELETE", "/trust-anchors/" + t("{anchor}"), nullptr},
      {"POST", "/trust-anchors/" + t("{anchor}") + "/verification-code", nothing},
      {"POST", "/trust-anchors/" + t("{anchor}") + "/devices", {{"device", "pump"}}},
      {"GET", "/batches/" + t("{batch}") + "/results", nullptr},
      {"GET", "/revocations/" + t("{revocation}"), nullptr},
  };
  const std::string before = state_of(beta);
  const std::string own_before = state_of(acme);
  for (const Case& c : cases) {
    for (const std::string& token : {acme.admin, admin}) {
      const Answer answer = by(token, c.method, acme.path + c.path, c.body);
      EXPECT_EQ(answer.status, 404) << c.method << " " << c.path << " " << c.body << ": " << answer.text;
      EXPECT_EQ(answer.text.find("beta"), std::string::npos) << answer.text;
    }
  }
  const std::string line = json{{"device", t("{device}")}, {"csr", csr}}.dump() + "\n";
  const json result = json::parse(send({acme.admin, ""}, "POST", acme.path + "/batches", line).text, nullptr, false);
  EXPECT_EQ(result.value("status", 0), 404) << result;
  const Answer bulk =
      by(acme.admin, "POST", acme.path + "/revocations", {{"serials", {t("serial"), t("{certificate}")}}});
  EXPECT_EQ(bulk.body().value("revoked", 0), 0) << bulk.text;

  EXPECT_EQ(state_of(beta), before);
  EXPECT_NE(state_of(acme), own_before) << "a batch of its own is there now";
  EXPECT_EQ(by(acme.admin, "GET", acme.path + "/devices/pump").body()["policy"], nullptr);
}

// What a role is not for is refused before anything of the request is looked at.
TEST_F(HostileCallers, ARoleMayWhatItIsForAndNothingElse) {
  const std::string t = "/v1/tenants/{tenant}";
  const std::string device = t + "/devices/{device}";
  const std::set<std::string> application{"GET " + t + "/devices",
                                          "GET " + device,
                                          "POST " + device + "/commands",
                                          "GET " + device + "/commands",
                                          "GET " + device + "/commands/{command}",
                                          "GET " + t + "/streams/{stream}/records",
                                          "POST " + t + "/streams/{stream}/commits"};
  const std::set<std::string> factory{"GET " + t + "/devices",
                                      "POST " + t + "/devices",
                                      "GET " + device,
                                      "GET " + device + "/renewal",
                                      "POST " + device + "/certificates",
                                      "POST " + t + "/batches",
                                      "GET " + t + "/batches/{batch}/results",
                                      "GET " + t + "/profiles",
                                      "GET " + t + "/profiles/{profile}",
                                      "GET " + t + "/issuers",
                                      "GET " + t + "/issuers/{issuer}",
                                      "GET " + t + "/issuers/{issuer}/cross-certificates"};
  const std::set<std::string> of_device{"GET " + device, "GET " + device + "/renewal",
                                        "POST " + device + "/certificates",
                                        "POST " + t + "/certificates/{certificate}/revocation"};
  const std::map<std::string, std::set<std::string>> allowed{
      {"application", application}, {"factory", factory}, {"device", of_device}, {"broker", {}}};
  auto callers = tenant_callers();
  callers.emplace_back("broker", Via{make_token(registry::TokenRole::kBroker), ""});
  callers.emplace_back("factory",
                       Via{by(acme.admin, "POST", acme.path + "/tokens", {{"role", "factory"}, {"devices", {"pump"}}})
                               .body()
                               .value("token", ""),
                           ""});
  const std::string before = state_of(acme);
  int tried = 0;
  for (const auto& [role, via] : callers) {
    if (!allowed.contains(role)) continue;
    for (const std::string& operation : guarded_operations()) {
      if (allowed.at(role).contains(operation)) continue;
      const std::size_t space = operation.find(' ');
      const Answer answer = send(via, operation.substr(0, space), fill(operation.substr(space + 1), own));
      EXPECT_EQ(answer.status, 403) << role << " " << operation << ": " << answer.text;
      ++tried;
    }
  }
  EXPECT_GE(tried, 350);
  EXPECT_EQ(state_of(acme), before);
}

TEST_F(HostileCallers, AnAuditorChangesNothing) {
  const std::string auditors[] = {make_token(registry::TokenRole::kAuditor, acme.id),
                                  make_token(registry::TokenRole::kAuditor)};
  const std::string before = state_of(acme);
  const std::set<std::string> questions{"POST /v1/tenants/{tenant}/validations",
                                        "POST /v1/tenants/{tenant}/policy-tests"};
  for (const std::string& auditor : auditors) {
    for (const std::string& operation : guarded_operations()) {
      const std::size_t space = operation.find(' ');
      const std::string method = operation.substr(0, space);
      if (method == "GET" || questions.contains(operation)) continue;
      const Answer answer = by(auditor, method, fill(operation.substr(space + 1), own));
      EXPECT_EQ(answer.status, 403) << operation << ": " << answer.text;
    }
  }
  EXPECT_EQ(state_of(acme), before);
}

TEST_F(HostileCallers, BodiesThatAreMadeToConfuseAreRefusedWithAWord) {
  const std::string before = state_of(acme);
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  const auto rule = [](const std::string& more) {
    return R"({"name":"p","rules":[{"action":"publish","topics":["${tenant}/${device}/x"])" + more + "}]}";
  };
  const auto limits = [](const std::string& fields) { return R"({"name":"p","rules":[],"limits":{)" + fields + "}}"; };
  struct Case {
    std::string path;
    std::string body;
    int status;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {"/policies", R"({"name":"p","rules":)" + nested(100'000) + "}", 400, "request.json_malformed"},
      {"/policies", R"({"name":"p","rules":)" + nested(60) + "}", 400, "request.field_invalid"},
      {"/policies", "{\"name\":\"p\",\"rules\":[]," + std::string(2u << 20, ' ') + "}", 413, ""},
      {"/policies", rule(R"(,"max_qos":3)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_qos":-1)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_qos":1.0)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_qos":"1")"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_qos":257)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_payload":268435456)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_payload":4294967296)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_payload":9223372036854775808)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_payload":-9223372036854775809)"), 400, "request.field_invalid"},
      {"/policies", rule(R"(,"max_payload":1e400)"), 400, ""},
      {"/policies", limits(R"("publish_messages_per_second":0)"), 400, "request.field_invalid"},
      {"/policies", limits(R"("publish_octets_per_second":4294967296)"), 400, "request.field_invalid"},
      {"/policies", limits(R"("connections":5)"), 400, "request.field_invalid"},
      {"/policies", limits(R"("publish_messages_burst":5)"), 400, "request.field_invalid"},
      {"/policies", limits(R"("no_such_limit":5)"), 400, "request.field_invalid"},
      {"/policies", R"({"name":"p","rules":[],"rules":7})", 400, "request.field_invalid"},
      {"/policies", R"({"name":"p","name":"P\u0000","rules":[]})", 400, "request.field_invalid"},
      {"/policies", R"({"name":"\u0430cme","rules":[]})", 400, "policy.name_invalid"},
      {"/policies", R"({"name":"..","rules":[]})", 400, "policy.name_invalid"},
      {"/policies", R"({"name":"\ud800","rules":[]})", 400, "request.json_malformed"},
      {"/groups", R"({"name":"a/b","policy":"of-pump"})", 400, "device.group_invalid"},
      {"/groups", R"({"name":"\u202e","policy":"of-pump"})", 400, "device.group_invalid"},
      {"/devices", R"({"name":"pump\u200b"})", 400, "device.name_invalid"},
      {"/devices", R"({"name":"\uff50ump"})", 400, "device.name_invalid"},
      {"/devices", R"({"name":"a/b"})", 400, "device.name_invalid"},
      {"/devices", R"({"name":"+"})", 400, "device.name_invalid"},
      {"/devices", R"({"name":"n","labels":{"x":"a/b"}})", 400, "device.label_invalid"},
      {"/devices", R"({"name":"n","labels":{"x":"+"}})", 400, "device.label_invalid"},
      {"/devices", R"({"name":"n","labels":{"x":"#"}})", 400, "device.label_invalid"},
      {"/devices", R"({"name":"n","labels":{"x":"\n"}})", 400, "device.label_invalid"},
      {"/devices", R"({"name":"n","labels":{"x}/#":"v"}})", 400, "device.label_invalid"},
      {"/devices", R"({"name":"n","groups":["#"]})", 400, "device.group_invalid"},
      {"/devices", R"({"name":"n","groups":"pumps"})", 400, "request.field_invalid"},
      {"/devices/pump/grants", R"({"on":"pump","actions":["publish"],"topics":["#"]})", 400, "grant.same_device"},
      {"/devices/pump/grants", R"({"on":"pump-meter","actions":["publish"],"topics":["../x/#/y"]})", 400,
       "grant.filter_invalid"},
      {"/devices/pump/grants", R"({"on":"pump-meter/../pump","actions":["publish"],"topics":["#"]})", 404,
       "device.not_found"},
      {"/devices/pump/grants", R"({"on":"pump-meter","actions":["receive"],"topics":["#"]})", 400,
       "grant.action_invalid"},
      {"/devices/pump/grants", R"({"on":"pump-meter","actions":[],"topics":["#"]})", 400, "grant.action_invalid"},
      {"/devices/pump/commands", R"({"name":"a/b"})", 400, "command.name_invalid"},
      {"/devices/pump/commands", R"({"name":"+"})", 400, "command.name_invalid"},
      {"/devices/pump/commands", R"({"name":"a","expires_in_seconds":0})", 400, "request.field_invalid"},
      {"/devices/pump/commands", R"({"name":"a","expires_in_seconds":9223372036854775807})", 400,
       "request.field_invalid"},
      {"/devices/pump/commands", R"({"name":"a","content_type":"text/plain\r\nx: y"})", 400, "request.field_invalid"},
      {"/tokens", R"({"role":"application","expires_in_seconds":9223372036854775807})", 400, "request.field_invalid"},
      {"/tokens", R"({"role":"platform-admin"})", 400, "token.role_invalid"},
      {"/tokens", R"({"role":"application","role":"platform-admin"})", 400, "token.role_invalid"},
  };
  for (const Case& c : cases) {
    const Answer answer = send({acme.admin, ""}, "POST", acme.path + c.path, c.body);
    const std::string shown = c.path + " " + c.body.substr(0, 120);
    EXPECT_EQ(answer.status, c.status) << shown << ": " << answer.text;
    if (*c.reason != '\0') {
      EXPECT_EQ(answer.reason(), c.reason) << shown;
    }
  }
  EXPECT_EQ(state_of(acme), before);
}

// A key that no row can hold is a fault of the request, not of the server.
TEST_F(HostileCallers, AnIdempotencyKeyOnAnEndlessPathIsNoFaultOfTheServer) {
  const std::string path = acme.path + "/devices/" + std::string(3'000, 'a') + "/commands";
  const Answer answer = send({acme.admin, "", "k"}, "POST", path, R"({"name":"reset"})");
  EXPECT_EQ(answer.status / 100, 4) << answer.text;
}

// Certificates are looked up together with whatever else comes at that time: nobody is taken for another, nobody is let
// into another's tenant, and whose certificate was revoked while its connection was open is out.
TEST_F(HostileCallers, WhoAsksAtTheSameTimeIsNotTakenForAnother) {
  const json lost = enrol(acme, "lost");
  struct Asks {
    const char* device;
    std::string target;
    int status;
  };
  const std::string of_pump = acme.path + "/devices/pump/renewal";
  const std::string of_valve = beta.path + "/devices/valve/renewal";
  const std::vector<Asks> all{{"pump", of_pump, 200},
                              {"valve", of_valve, 200},
                              {"pump", of_valve, 404},
                              {"valve", of_pump, 404},
                              {"lost", of_pump, 401},
                              {"lost", acme.path + "/devices/lost/renewal", 401},
                              {"pump", "/v1/tenants/nobody/devices/pump/renewal", 404}};
  std::vector<http::Client> clients;
  for (const Asks& one : all) {
    clients.push_back(client_of({"", one.device}).value());
    http::ClientRequest first;
    first.target = acme.path;
    ASSERT_TRUE(clients.back().send(first).ok()) << "the connection is open";
  }
  ASSERT_EQ(by(acme.admin, "POST", acme.path + "/certificates/" + lost.value("id", "") + "/revocation", json::object())
                    .status /
                100,
            2);

  std::vector<std::jthread> crowd;
  for (std::size_t i = 0; i < all.size(); ++i) {
    crowd.emplace_back([&, i] {
      http::ClientRequest request;
      request.target = all[i].target;
      for (int round = 0; round < 30; ++round) {
        const auto answer = clients[i].send(request);
        ASSERT_TRUE(answer.ok()) << to_log_text(answer.error());
        ASSERT_EQ(answer->status, all[i].status) << all[i].device << " " << request.target << ": " << answer->body;
        if (answer->status != 200) continue;
        const std::string certificate = json::parse(answer->body).value("certificate", "");
        ASSERT_EQ(certificate, (i == 0 ? own : theirs).at("{certificate}"));
      }
    });
  }
}

// A factory chooses the labels and groups of what it makes; a policy that puts them where devices' names stand is told.
TEST_F(HostileCallers, ALabelIsTextAndAPolicyThatTakesItForADeviceIsWarnedOf) {
  const auto publish = [&](const std::string& name, const std::string& topic) {
    const Answer made = by(acme.admin, "POST", acme.path + "/policies",
                           {{"name", name}, {"rules", {{{"action", "publish"}, {"topics", {topic}}}}}});
    EXPECT_EQ(made.status, 201) << made.text;
    return made.body().value("warnings", json::array());
  };
  const json turned = publish("turned", "${tenant}/${label.line}/#");
  const json safe = publish("safe", "${tenant}/_${label.line}/#");
  const json labelled = publish("labelled", "${tenant}/${device}/${label.line}");
  const auto decides = [&](const std::string& device, const std::string& topic) {
    return by(acme.admin, "POST", acme.path + "/policy-tests",
              {{"device", device}, {"action", "publish"}, {"topic", topic}})
        .body()
        .value("verdict", "");
  };
  const auto spy = [&](const std::string& name, const std::string& label, const std::string& policy) {
    EXPECT_EQ(by(acme.factory, "POST", acme.path + "/devices",
                 {{"name", name}, {"labels", {{"line", label}}}, {"policy", policy}})
                  .status,
              201);
  };
  spy("spy-1", "pump", "safe");
  spy("spy-2", "${device}", "labelled");

  ASSERT_EQ(turned.size(), 1U) << turned;
  EXPECT_EQ(turned[0]["reason"], "policy.may_name_device");
  EXPECT_EQ(turned[0]["severity"], "warning");
  EXPECT_EQ(safe, json::array());
  EXPECT_EQ(decides("spy-1", "acme/pump/telemetry"), "deny");
  EXPECT_EQ(decides("spy-1", "acme/_pump/telemetry"), "allow");
  EXPECT_EQ(labelled, json::array());
  EXPECT_EQ(decides("spy-2", "acme/spy-2/spy-2"), "deny");
  EXPECT_EQ(decides("spy-2", "acme/spy-2/${device}"), "allow");
}

}  // namespace
}  // namespace muster::api
