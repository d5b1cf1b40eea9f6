// SPDX-License-Identifier: Apache-2.0
//
// Who may read whose records, mint which tokens and see metrics, over HTTP.
#include "api/change_waiter.h"
#include "api/holder_desk.h"
#include "api/order_waiter.h"
#include "api/routes.h"
#include "integration/api/edge_lab.h"

namespace muster::api {
namespace {

class Access : public EdgeLab {
 protected:
  std::string application(const TestTenant& tenant) { return make_token(registry::TokenRole::kApplication, tenant.id); }
  json read(const std::string& token, const TestTenant& tenant, const std::string& group) {
    const Answer answer = send({token, ""}, "GET", tenant.path + "/streams/raw/records?max=100&group=" + group);
    EXPECT_EQ(answer.status, 200) << answer.text;
    return answer.body();
  }
  // The records of an answer by their sequence: which partition comes first differs from one read to the next.
  static std::map<int, json> by_sequence(const json& answer) {
    std::map<int, json> records;
    for (const json& record : answer["records"]) records.emplace(record["sequence"].get<int>(), record);
    return records;
  }
  static json commit_of(const std::string& group, const json& cursor) {
    return {{"group", group}, {"cursors", cursor}};
  }
};

TEST_F(Access, NoTenantReadsAnothersRecordsOrMovesItsGroup) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  const std::string of_acme = application(acme);
  const std::string of_beta = application(beta);
  const auto log = open_log(join_edge({{"name", "e1"}}).database_role);
  ASSERT_TRUE(append(*log, acme.id, 5).ok());
  ASSERT_TRUE(append(*log, beta.id, 3).ok());
  const json seen = read(of_acme, acme, "app");
  ASSERT_EQ(seen["records"].size(), 5U);

  EXPECT_EQ(read(of_beta, beta, "app")["records"].size(), 3U);
  const Answer stolen = send({of_beta, ""}, "GET", acme.path + "/streams/raw/records?group=app");
  EXPECT_EQ(stolen.status, 404) << stolen.text;
  const std::string commit = commit_of("app", seen["cursor"]).dump();
  EXPECT_EQ(send({of_beta, ""}, "POST", acme.path + "/streams/raw/commits", commit).status, 404);
  // A group of the same name in its own tenant, moved over the same partitions, is another group.
  const json own = read(of_beta, beta, "app");
  EXPECT_EQ(
      send({of_beta, ""}, "POST", beta.path + "/streams/raw/commits", commit_of("app", own["cursor"]).dump()).status,
      204);
  EXPECT_EQ(send({of_beta, ""}, "POST", beta.path + "/streams/raw/commits", commit).status / 100, 2);

  EXPECT_EQ(read(of_beta, beta, "app")["records"].size(), 0U);
  EXPECT_EQ(by_sequence(read(of_acme, acme, "app")), by_sequence(seen));
  EXPECT_EQ(send({of_acme, ""}, "POST", acme.path + "/streams/raw/commits", commit).status, 204);
  EXPECT_EQ(read(of_acme, acme, "app")["records"].size(), 0U);
}

TEST_F(Access, RecordsAreForApplicationsAndAdministrators) {
  const TestTenant acme = make_tenant("acme");
  const std::string target = acme.path + "/streams/raw/records?group=app";
  enrol(acme, "d1");
  EXPECT_EQ(send({application(acme), ""}, "GET", target).status, 200);
  EXPECT_EQ(send({acme.admin, ""}, "GET", target).status, 200);
  EXPECT_EQ(send({acme.factory, ""}, "GET", target).status, 403);
  EXPECT_EQ(send({make_token(registry::TokenRole::kAuditor, acme.id), ""}, "GET", target).status, 403);
  EXPECT_EQ(send({"", "d1"}, "GET", target).status, 403);
  EXPECT_EQ(send({"", ""}, "GET", target).status, 401);
}

TEST_F(Access, NobodyMintsATokenAboveHimself) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  enrol(acme, "d1");
  const auto mint = [&](const Via& via, const std::string& path, const std::string& role) {
    return send(via, "POST", path + "/tokens", json{{"role", role}}.dump());
  };
  const std::string platform = "/v1";
  const Via tenant_admin{acme.admin, ""};

  for (const char* role : {"tenant-admin", "factory", "auditor", "application", "broker"}) {
    EXPECT_EQ(mint(tenant_admin, acme.path, role).status, 201) << role;
    EXPECT_EQ(mint(tenant_admin, beta.path, role).status, 404) << role;
  }
  EXPECT_EQ(mint(tenant_admin, acme.path, "platform-admin").reason(), "token.role_invalid");
  EXPECT_EQ(mint({admin, ""}, acme.path, "platform-admin").reason(), "token.role_invalid");
  EXPECT_EQ(mint({admin, ""}, platform, "tenant-admin").reason(), "token.role_invalid");
  const std::vector<Via> lesser{{acme.factory, ""},
                                {application(acme), ""},
                                {make_token(registry::TokenRole::kAuditor, acme.id), ""},
                                {make_token(registry::TokenRole::kAuditor), ""},
                                {make_token(registry::TokenRole::kBroker, acme.id), ""},
                                {make_token(registry::TokenRole::kBroker), ""},
                                {"", "d1"}};
  for (const char* role : {"platform-admin", "tenant-admin", "factory", "auditor", "application", "broker"}) {
    EXPECT_EQ(mint(tenant_admin, platform, role).status, 403) << role;
    for (const Via& via : lesser) {
      EXPECT_EQ(mint(via, acme.path, role).status, 403) << role;
      EXPECT_EQ(mint(via, platform, role).status, 403) << role;
    }
  }
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.tokens WHERE role = 'platform-admin'"), "1");
}

TEST_F(Access, AFactoryTokenCarriesItsAllowList) {
  const TestTenant acme = make_tenant("acme");
  for (const char* name : {"listed", "other"}) {
    ASSERT_EQ(send("POST", acme.path + "/devices", {{"name", name}}).status, 201);
  }
  const json wanted{{"role", "factory"}, {"devices", {"listed"}}};
  const Answer made = send({acme.admin, ""}, "POST", acme.path + "/tokens", wanted.dump());
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string factory = made.body()["token"];
  const auto certify = [&](const std::string& token, const std::string& device) {
    return send({token, ""}, "POST", acme.path + "/devices/" + device + "/certificates",
                json{{"csr", make_csr(device)}}.dump());
  };

  EXPECT_EQ(made.body()["devices"], json({"listed"}));
  EXPECT_EQ(certify(acme.factory, "listed").reason(), "enroll.device_not_allowed");
  EXPECT_EQ(certify(factory, "other").status, 403);
  EXPECT_EQ(certify(factory, "listed").status, 201);
  EXPECT_EQ(certify(factory, "listed").reason(), "enroll.factory_first_certificate_only");
  const auto refused = [&](const json& body) {
    return send({acme.admin, ""}, "POST", acme.path + "/tokens", body.dump()).reason();
  };
  EXPECT_EQ(refused({{"role", "application"}, {"devices", {"listed"}}}), "request.field_invalid");
  EXPECT_EQ(refused({{"role", "factory"}, {"devices", std::vector<std::string>(1'001, "x")}}), "request.field_invalid");
  EXPECT_EQ(refused({{"role", "factory"}, {"devices", {"a/b"}}}), "device.name_invalid");
}

// Asked of the router: a test has no second machine to come from.
TEST_F(Access, MetricsAreForThisMachineAndThoseWhoSeeEverything) {
  const TestTenant acme = make_tenant("acme");
  const TrustDomain trust_domain = TrustDomain::parse("muster.internal").value();
  const auto reader = ingest::TenantReader::create({.database_url = database.url("muster_server")}).value();
  ChangeWaiter changes{database.url("muster_server")};
  RateLimiter by_caller{{}};
  RateLimiter by_source{{}};
  std::atomic<int> waiters{0};
  const std::atomic<bool> stopping{false};
  OrderWaiter orders{database.url("muster_server")};
  HolderDesk holders{*pool, clock};
  ApiContext context{*pool,     *authority, clock,   metrics,  trust_domain, *reader, changes,
                     by_caller, by_source,  waiters, stopping, orders,       holders};
  const http::Router router = make_rest_router(context);
  const auto status = [&](const std::string& from, const std::string& token) {
    http::Request request;
    request.method = "GET";
    request.target = "/metrics";
    request.remote_address = from;
    if (!token.empty()) request.headers.emplace_back("authorization", "Bearer " + token);
    return router.match("GET", {"metrics"}).route->handler(request).status;
  };

  EXPECT_EQ(status("127.0.0.1", ""), 200);
  EXPECT_EQ(status("::1", ""), 200);
  for (const char* from : {"192.0.2.1", "2001:db8::1", "10.0.0.1", "::", "0.0.0.0", ""}) {
    EXPECT_EQ(status(from, ""), 401) << from;
  }
  EXPECT_EQ(status("192.0.2.1", acme.admin), 403);
  EXPECT_EQ(status("192.0.2.1", application(acme)), 403);
  EXPECT_EQ(status("192.0.2.1", admin), 200);
  EXPECT_EQ(status("192.0.2.1", make_token(registry::TokenRole::kAuditor)), 200);
  changes.stop();
}

}  // namespace
}  // namespace muster::api
