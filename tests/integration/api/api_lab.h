// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the whole server over a real PostgreSQL, spoken to with our own HTTP client; keys and requests are made by
// the openssl program.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "api/authentication.h"
#include "api/server.h"
#include "ca/key_store_config.h"
#include "core/clock.h"
#include "http/client.h"
#include "registry/token_store.h"
#include "support/postgres_lab.h"
#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::api {

using nlohmann::json;

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string text;
  json body() const { return json::parse(text, nullptr, false); }
  std::string reason() const {
    const json parsed = body();
    return parsed.is_object() ? parsed.value("reason", "") : "";
  }
};

class ApiLab : public ::testing::Test {
 protected:
  void SetUp() override {
    db::PoolConfig pool_config;
    pool_config.url = database.url("muster_server");
    pool_config.size = 16;
    pool = db::ConnectionPool::create(pool_config).value();
    authority = enroll::RegistrationAuthority::create({}, ca::KeyEncryptionKey::from_bytes(Bytes(32, 9)).value(), *pool,
                                                      clock, metrics)
                    .value();
    const auto ready = authority->initialise_deployment();
    ASSERT_TRUE(ready.ok()) << to_log_text(ready.error());
    write("root.pem", authority->infrastructure_root_pem());
    issue_server_certificate();
    start();
    admin = make_token(registry::TokenRole::kPlatformAdmin);
  }
  void TearDown() override {
    if (server) server->stop();
  }

  void start() {
    ServerConfig config;
    config.certificate_file = path("server.pem");
    config.key_file = path("server.key");
    config.database_url = database.url("muster_server");
    auto created = Server::create(config, {*pool, *authority, clock, metrics});
    ASSERT_TRUE(created.ok()) << to_log_text(created.error());
    server = std::move(*created);
    server->start();
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }
  void write(const std::string& name, const std::string& text) { std::ofstream{path(name)} << text; }
  std::string read(const std::string& name) const {
    std::ifstream file{path(name)};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // A new key and a request for it, in files NAME.key and NAME.csr; returns the request.
  std::string make_csr(const std::string& name) {
    test_support::SpawnOptions options;
    options.command = {"sh", "-c",
                       "umask 077 && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " +
                           path(name + ".key") + " -out " + path(name + ".csr") + " -subj /CN=x"};
    options.output_file = path("openssl.log");
    EXPECT_TRUE(test_support::run(options).success());
    return read(name + ".csr");
  }
  void issue_server_certificate() {
    enroll::Caller local;
    local.role = enroll::CallerRole::kLocal;
    enroll::InfrastructureRequest request{enroll::InfrastructureRole::kServer, make_csr("server"), {"127.0.0.1"}, {}};
    const auto issued = authority->issue_infrastructure(local, request);
    ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
    write("server.pem", issued->certificate_pem + issued->chain_pem);
  }

  std::string make_token(registry::TokenRole role, TenantId tenant = {}, std::optional<UtcTime> expires_at = {}) {
    const FreshToken fresh = api::make_token();
    registry::NewToken token;
    token.tenant_id = tenant;
    token.role = role;
    token.sha256 = fresh.sha256;
    token.expires_at = expires_at;
    const auto scope = tenant.is_nil() ? db::Scope::system() : db::Scope::of_tenant(tenant);
    const auto made =
        db::run_in_transaction(*pool, scope, [&](db::Transaction& tx) { return registry::create_token(tx, token); });
    EXPECT_TRUE(made.ok()) << to_log_text(made.error());
    return fresh.text;
  }

  struct Via {
    std::string token;
    std::string certificate;  // NAME of NAME.pem and NAME.key; empty: none
    std::string idempotency_key = {};
    bool edges = false;
  };
  // Keeps its connection from one request to the next.
  Result<http::Client> client_of(const Via& via) {
    http::ClientConfig config;
    config.base_url = "https://127.0.0.1:" + std::to_string(via.edges ? server->edges_port() : server->rest_port());
    config.ca_file = path("root.pem");
    config.bearer_token = via.token;
    if (!via.certificate.empty()) {
      config.client_certificate_file = path(via.certificate + ".pem");
      config.client_key_file = path(via.certificate + ".key");
    }
    return http::Client::create(config);
  }
  Result<http::ClientResponse> try_send(const Via& via, const std::string& method, const std::string& target,
                                        const std::string& body = "") {
    MUSTER_TRY(http::Client client, client_of(via));
    http::ClientRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    if (!via.idempotency_key.empty()) request.headers.emplace("Idempotency-Key", via.idempotency_key);
    return client.send(request);
  }
  Answer send(const Via& via, const std::string& method, const std::string& target, const std::string& body = "") {
    const auto response = try_send(via, method, target, body);
    EXPECT_TRUE(response.ok()) << method << " " << target << ": " << to_log_text(response.error());
    if (!response.ok()) return {};
    return {response->status, response->headers, response->body};
  }
  // By the platform's admin.
  Answer send(const std::string& method, const std::string& target, const json& body = nullptr) {
    return send({admin, ""}, method, target, body.is_null() ? "" : body.dump());
  }

  struct TestTenant {
    std::string name;
    TenantId id;
    std::string path;
    std::string admin;
    std::string factory;
  };
  TestTenant make_tenant(const std::string& name) {
    const Answer made = send("POST", "/v1/tenants", {{"name", name}});
    EXPECT_EQ(made.status, 201) << made.text;
    TestTenant tenant{name, TenantId::parse(made.body().value("id", "")).value(), "/v1/tenants/" + name, "", ""};
    tenant.admin = make_token(registry::TokenRole::kTenantAdmin, tenant.id);
    tenant.factory = make_token(registry::TokenRole::kFactory, tenant.id);
    return tenant;
  }
  // A device with its certificate in NAME.pem and NAME.key; returns what the server answered.
  json enrol(const TestTenant& tenant, const std::string& device) {
    EXPECT_EQ(send({tenant.factory, ""}, "POST", tenant.path + "/devices", json{{"name", device}}.dump()).status, 201);
    const Answer issued = send({tenant.factory, ""}, "POST", tenant.path + "/devices/" + device + "/certificates",
                               json{{"csr", make_csr(device)}}.dump());
    EXPECT_EQ(issued.status, 201) << issued.text;
    const json body = issued.body();
    write(device + ".pem", body.value("certificate", "") + body.value("chain", ""));
    return body;
  }

  test_support::TempFolder folder;
  test_support::TestDatabase database = test_support::PostgresLab::shared().create_database();
  SystemClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<db::ConnectionPool> pool;
  std::unique_ptr<enroll::RegistrationAuthority> authority;
  std::unique_ptr<Server> server;
  std::string admin;
};

}  // namespace muster::api
