// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "integration/api/api_lab.h"

namespace muster::api {
namespace {

TEST_F(ApiLab, ATenantLivesIsSuspendedAndDeleted) {
  const TestTenant acme = make_tenant("acme");

  EXPECT_EQ(send("POST", "/v1/tenants", {{"name", "acme"}}).reason(), "tenant.exists");
  EXPECT_EQ(send("POST", "/v1/tenants", {{"name", "Acme"}}).status, 400);
  EXPECT_EQ(send("GET", "/v1/tenants/acme").body()["status"], "active");
  EXPECT_EQ(send("GET", "/v1/tenants?limit=1").body()["items"].size(), 1U);
  EXPECT_EQ(send("PATCH", "/v1/tenants/acme", {{"status", "suspended"}}).body()["status"], "suspended");
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path).status, 403);
  EXPECT_EQ(send("PATCH", "/v1/tenants/acme", {{"status", "active"}}).status, 200);
  EXPECT_EQ(send({acme.admin, ""}, "PATCH", acme.path, R"({"status":"suspended"})").status, 403);
  EXPECT_EQ(send("DELETE", "/v1/tenants/acme").status, 204);
  EXPECT_EQ(send("GET", "/v1/tenants/acme").status, 404);
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path).status, 401);
}

TEST_F(ApiLab, AFactoryGetsTheFirstCertificateOnly) {
  const TestTenant acme = make_tenant("acme");
  const json first = enrol(acme, "d1");
  const std::string certificates = acme.path + "/devices/d1/certificates";

  const Answer second = send({acme.factory, ""}, "POST", certificates, json{{"csr", make_csr("again")}}.dump());
  const Answer renewed = send({"", "d1"}, "POST", certificates, json{{"csr", make_csr("renewed")}}.dump());
  const Answer bad = send({acme.admin, ""}, "POST", certificates, R"({"csr":"no"})");

  EXPECT_EQ(second.status, 403) << second.text;
  EXPECT_EQ(renewed.status, 201) << renewed.text;
  EXPECT_EQ(bad.status, 400) << bad.text;
  const Answer list = send({acme.admin, ""}, "GET", acme.path + "/certificates?device=d1&status=active");
  EXPECT_EQ(list.body()["items"].size(), 2U) << list.text;
  const Answer one = send({acme.admin, ""}, "GET", acme.path + "/certificates/" + first["serial"].get<std::string>());
  EXPECT_EQ(one.body()["id"], first["id"]);
}

TEST_F(ApiLab, RevocationIsIdempotentAndStandsInTheCrl) {
  const TestTenant acme = make_tenant("acme");
  const json issued = enrol(acme, "d1");
  const std::string revocation = acme.path + "/certificates/" + issued["id"].get<std::string>() + "/revocation";

  const Answer first = send({acme.admin, ""}, "POST", revocation, R"({"reason":"keyCompromise"})");
  const Answer second = send({acme.admin, ""}, "POST", revocation, R"({"reason":"superseded"})");
  const Answer wrong = send({acme.admin, ""}, "POST", revocation, R"({"reason":"boredom"})");

  EXPECT_EQ(first.body()["status"], "revoked") << first.text;
  EXPECT_EQ(second.body()["revocation_reason"], "keyCompromise");
  EXPECT_EQ(wrong.status, 400);
  auto plain_config = http::ClientConfig{};
  plain_config.base_url = "http://127.0.0.1:" + std::to_string(server->plain_port());
  auto plain = http::Client::create(plain_config);
  http::ClientRequest request;
  request.target = "/crl/" + first.body()["issuer_id"].get<std::string>() + "/0.crl";
  const auto crl = plain->send(request);
  ASSERT_TRUE(crl.ok());
  EXPECT_EQ(crl->headers.at("content-type"), "application/pkix-crl");
  EXPECT_EQ(crl->status, 200);
}

TEST_F(ApiLab, ARevokedCertificateIsRefusedInTheHandshake) {
  const TestTenant acme = make_tenant("acme");
  const json issued = enrol(acme, "d1");
  ASSERT_EQ(send({"", "d1"}, "GET", acme.path + "/devices/d1").status, 200);

  send({acme.admin, ""}, "POST", acme.path + "/certificates/" + issued["id"].get<std::string>() + "/revocation", "{}");

  EXPECT_FALSE(try_send({"", "d1"}, "GET", acme.path + "/devices/d1").ok());
  // Never as if it had presented nothing: also a good token does not help.
  EXPECT_FALSE(try_send({acme.admin, "d1"}, "GET", acme.path).ok());
}

TEST_F(ApiLab, ADeviceSeesItselfOnly) {
  const TestTenant acme = make_tenant("acme");
  enrol(acme, "d1");
  enrol(acme, "d2");

  EXPECT_EQ(send({"", "d1"}, "GET", acme.path + "/devices/d1").status, 200);
  EXPECT_EQ(send({"", "d1"}, "GET", acme.path + "/devices/d2").status, 404);
  EXPECT_EQ(send({"", "d1"}, "GET", acme.path + "/devices").status, 403);
  EXPECT_EQ(send({"", "d1"}, "POST", acme.path + "/devices/d2/certificates", R"({"csr":"x"})").status, 404);
}

// The place in the issuance log comes with the first answer only.
std::string without_log(const std::string& text) {
  std::string kept;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line); kept += "\n") {
    const std::size_t log = line.find(",\"log\":{");
    kept += log == std::string::npos ? line : line.substr(0, log) + "}";
  }
  return kept;
}

TEST_F(ApiLab, ABatchAnswersEveryLineInOrderAndAgain) {
  const TestTenant acme = make_tenant("acme");
  std::string lines;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "b" + std::to_string(i);
    lines += json{{"device", name}, {"csr", make_csr(name)}, {"create", true}}.dump() + "\n";
  }
  lines += "not json\n" + json{{"device", "b9"}, {"csr", "no"}, {"create", true}}.dump() + "\n";

  const Answer ran = send({acme.factory, "", "key-1"}, "POST", acme.path + "/batches", lines);
  const Answer again = send({acme.factory, ""}, "GET", ran.headers.at("location"));
  const Answer replayed = send({acme.factory, "", "key-1"}, "POST", acme.path + "/batches", lines);

  ASSERT_EQ(ran.status, 200) << ran.text;
  std::vector<json> results;
  std::istringstream stream{ran.text};
  for (std::string line; std::getline(stream, line);) results.push_back(json::parse(line));
  ASSERT_EQ(results.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(results[i]["line"], i + 1);
    EXPECT_EQ(results[i]["status"], i < 3 ? 201 : 400) << results[i];
  }
  EXPECT_EQ(results[0]["log"]["size"], 3) << results[0];
  EXPECT_EQ(again.text, ran.text) << "nothing was issued meanwhile: the tree is the same";
  EXPECT_EQ(replayed.text, ran.text);
}

// Its groups are under way at once; a factory may have only a device's first certificate.
TEST_F(ApiLab, InALongBatchTheEarlierLineForADeviceComesFirst) {
  constexpr int kDevices = 450;
  const TestTenant acme = make_tenant("acme");
  std::string lines;
  for (int i = 0; i < kDevices + 5; ++i) {
    const std::string name = "b" + std::to_string(i % kDevices);
    lines += json{{"device", name}, {"csr", make_csr(name)}, {"create", i < kDevices}}.dump() + "\n";
  }

  const Answer ran = send({acme.factory, ""}, "POST", acme.path + "/batches", lines);
  const Answer again = send({acme.factory, ""}, "GET", ran.headers.at("location"));

  ASSERT_EQ(ran.status, 200) << ran.text;
  std::istringstream stream{ran.text};
  int number = 0;
  for (std::string line; std::getline(stream, line); ++number) {
    const json result = json::parse(line);
    EXPECT_EQ(result["line"], number + 1);
    EXPECT_EQ(result["status"], number < kDevices ? 201 : 403) << line;
  }
  EXPECT_EQ(number, kDevices + 5);
  EXPECT_EQ(without_log(again.text), without_log(ran.text));
  std::set<std::uint64_t> places;
  std::istringstream replayed{again.text};
  for (std::string line; std::getline(replayed, line);) {
    const json result = json::parse(line);
    if (result["status"] != 201) continue;
    EXPECT_EQ(result["log"]["size"], kDevices) << "proved in the tree of now";
    places.insert(result["log"]["index"].get<std::uint64_t>());
  }
  EXPECT_EQ(places.size(), static_cast<std::size_t>(kDevices));
}

TEST_F(ApiLab, AnIdempotencyKeyGivesTheFirstAnswerAgain) {
  const TestTenant acme = make_tenant("acme");
  const Answer first = send({acme.admin, "", "k"}, "POST", acme.path + "/devices", R"({"name":"d"})");
  const Answer again = send({acme.admin, "", "k"}, "POST", acme.path + "/devices", R"({"name":"d"})");
  const Answer other = send({acme.admin, "", "k"}, "POST", acme.path + "/devices", R"({"name":"e"})");
  const Answer token = send({acme.admin, "", "t"}, "POST", acme.path + "/tokens", R"({"role":"factory"})");
  const Answer token_again = send({acme.admin, "", "t"}, "POST", acme.path + "/tokens", R"({"role":"factory"})");

  EXPECT_EQ(first.status, 201) << first.text;
  EXPECT_EQ(again.text, first.text);
  EXPECT_EQ(other.status, 422) << other.text;
  EXPECT_EQ(token.status, 201);
  EXPECT_EQ(token_again.reason(), "idempotency.secret_shown_once");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.idempotency_records WHERE encode(body::text::bytea,'escape') "
                             "LIKE '%mst_%'"),
            "0");
}

TEST_F(ApiLab, TokensExpireAreRevokedAndKeepToTheirRole) {
  const TestTenant acme = make_tenant("acme");
  const std::string expired =
      make_token(registry::TokenRole::kTenantAdmin, acme.id, clock.now() - std::chrono::seconds{1});
  const Answer made = send({acme.admin, ""}, "POST", acme.path + "/tokens", R"({"role":"auditor"})");
  const std::string auditor = made.body().value("token", "");

  EXPECT_EQ(send({expired, ""}, "GET", acme.path).status, 401);
  EXPECT_EQ(send({"", ""}, "GET", acme.path).status, 401);
  EXPECT_EQ(send({"mst_short", ""}, "GET", acme.path).status, 401);
  EXPECT_EQ(send({auditor, ""}, "GET", acme.path + "/devices").status, 200);
  EXPECT_EQ(send({auditor, ""}, "POST", acme.path + "/devices", R"({"name":"x"})").status, 403);
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/tokens", R"({"role":"platform-admin"})").status, 400);
  EXPECT_EQ(send({acme.admin, ""}, "GET", "/v1/tokens").status, 403);
  const std::string id = made.body().value("id", "");
  EXPECT_EQ(send({acme.admin, ""}, "DELETE", acme.path + "/tokens/" + id).status, 204);
  EXPECT_EQ(send({auditor, ""}, "GET", acme.path + "/devices").status, 401);
}

TEST_F(ApiLab, WhatIsTooLargeOrUnknownIsRefusedWithItsReason) {
  const TestTenant acme = make_tenant("acme");
  const std::string large = R"({"name":")" + std::string((1u << 20) + 1, 'x') + "\"}";

  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/devices", large).reason(), "request.body_too_large");
  EXPECT_EQ(send({"", ""}, "POST", acme.path + "/devices", large).reason(), "auth.required");
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/devices", R"({"name":"a","x":1})").reason(),
            "request.field_unknown");
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/devices", "{").reason(), "request.json_malformed");
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path + "/devices?stauts=active").reason(), "request.query_unknown");
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path + "/devices?limit=0").reason(), "request.query_invalid");
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path + "/devices?cursor=zzz").status, 400);
  EXPECT_EQ(send({acme.admin, ""}, "GET", "/v1/nothing").status, 404);
}

TEST_F(ApiLab, PoliciesAreCheckedAndAttached) {
  const TestTenant acme = make_tenant("acme");
  const std::string rules = R"("rules":[{"action":"publish","topics":["${tenant}/${device}/a/#"]}])";

  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/policies", R"({"name":"p",)" + rules + "}").status, 201);
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/policies",
                 R"({"name":"q","rules":[{"action":"publish","topics":["beta/#"]}]})")
                .status,
            400);
  EXPECT_EQ(send({acme.admin, ""}, "PATCH", acme.path, R"({"default_policy":"p"})").body()["default_policy"], "p");
  EXPECT_EQ(send({acme.admin, ""}, "DELETE", acme.path + "/policies/p").status, 409);
  EXPECT_EQ(send({acme.admin, ""}, "PATCH", acme.path, R"({"default_policy":null})").status, 200);
  EXPECT_EQ(send({acme.admin, ""}, "PUT", acme.path + "/policies/p", "{" + rules + "}").status, 200);
  EXPECT_EQ(send({acme.admin, ""}, "DELETE", acme.path + "/policies/p").status, 204);
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST_F(ApiLab, AnEdgeJoinsFollowsAndIsRemoved) {
  const TestTenant acme = make_tenant("acme");
  const std::string join_token = send("POST", "/v1/edges", {{"name", "e1"}}).body().value("join_token", "");
  const json join{{"join_token", join_token}, {"csr", make_csr("edge")}};
  const Answer bad = send({"", ""}, "POST", "/v1/edge/join", json{{"join_token", join_token}, {"csr", "no"}}.dump());
  const Answer joined = send({"", ""}, "POST", "/v1/edge/join", join.dump());
  const Answer twice = send({"", ""}, "POST", "/v1/edge/join", join.dump());
  ASSERT_EQ(joined.status, 200) << joined.text;
  write("edge.pem", joined.body()["certificate"].get<std::string>() + joined.body()["chain"].get<std::string>());
  EXPECT_EQ(bad.status, 400) << bad.text;
  EXPECT_EQ(twice.status, 401);

  const Via edge{"", "edge", "", true};
  const auto snapshot = lines_of(send(edge, "GET", "/v1/edge/snapshot").text);
  ASSERT_GE(snapshot.size(), 4U);
  EXPECT_EQ(snapshot.front()["type"], "begin");
  EXPECT_EQ(snapshot.back()["type"], "end");
  EXPECT_EQ(snapshot.back()["count"], snapshot.size() - 2);
  EXPECT_EQ(send(edge, "GET", "/v1/edge/digest").body()["digest"], snapshot.back()["digest"]);
  const std::string since = snapshot.front()["epoch"].get<std::string>() + ":" + snapshot.front()["number"].dump();
  EXPECT_EQ(lines_of(send(edge, "GET", "/v1/edge/changes?since=" + since).text).back()["count"], 0);

  enrol(acme, "d1");
  const auto changes = lines_of(send(edge, "GET", "/v1/edge/changes?wait_ms=5000&since=" + since).text);
  EXPECT_EQ(changes.front()["from"], snapshot.front()["number"]);
  EXPECT_TRUE(std::any_of(changes.begin(), changes.end(), [](const json& line) { return line["type"] == "device"; }));

  EXPECT_EQ(send(edge, "GET", "/v1/edge/changes?since=" + TenantId::random().text() + ":1").status, 410);
  const std::string event =
      R"({"events":[{"id":"8c4f0f0e-3f57-4a6e-9a3b-0d6ad1a4a001","type":"started","at":"2026-01-01T00:00:00Z"}]})";
  EXPECT_EQ(send(edge, "POST", "/v1/edge/events", event).status, 204);
  EXPECT_EQ(send(edge, "POST", "/v1/edge/events", event).status, 204);
  EXPECT_FALSE(try_send({"", "d1", "", true}, "GET", "/v1/edge/snapshot").ok());

  EXPECT_EQ(send("DELETE", "/v1/edges/e1").status, 204);
  EXPECT_EQ(send(edge, "GET", "/v1/edge/snapshot").status, 401);
}

// Every operation that the server has is in the document and the other way round, and whatever is sent, the answer is
// one that the document names and never a fault of ours.
TEST_F(ApiLab, TheDocumentIsTrueToTheServer) {
  make_tenant("acme");
  std::ofstream operations{path("operations")};
  for (const std::string& operation : server->operations()) operations << operation << "\n";
  operations.close();
  test_support::SpawnOptions options;
  options.command = {"python3", std::string{MUSTER_SOURCE_DIR} + "/tests/integration/api/check_openapi.py",
                     path("operations"), "https://127.0.0.1:" + std::to_string(server->rest_port()), path("root.pem")};
  options.environment = {"MUSTER_TOKEN=" + admin};
  options.output_file = path("check.log");

  const auto status = test_support::run(options, std::chrono::seconds{200});

  EXPECT_TRUE(status.success()) << read("check.log");
}

}  // namespace
}  // namespace muster::api
