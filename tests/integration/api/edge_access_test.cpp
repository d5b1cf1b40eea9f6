// SPDX-License-Identifier: Apache-2.0
//
// What a join token, an edge and a removed edge can get, and what not.
#include <set>

#include "integration/api/edge_lab.h"
#include "registry/edge_store.h"
#include "support/eventually.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

using x509::Certificate;

class EdgeAccess : public EdgeLab {
 protected:
  static std::vector<std::string> names_in(const std::string& pem) {
    const Certificate certificate = Certificate::parse_pem(pem).value();
    std::vector<std::string> names;
    for (const auto& name : certificate.subject_alt_names()) names.push_back(name.value);
    return names;
  }
};

// The attack: whoever holds a join token asks for a certificate in the server's name and then is the server to devices
// and edges. The token's holder names nothing.
TEST_F(EdgeAccess, AJoinTokenBuysNoNameOfItsHoldersChoice) {
  const std::string token = invite({{"name", "e1"}, {"broker_names", {"broker.acme.example", "192.0.2.7"}}});
  const json request{{"join_token", token}, {"csr", make_csr("edge")}, {"broker_csr", make_csr("broker")}};
  json attack = request;
  attack["broker_names"] = {"127.0.0.1", "localhost"};

  const Answer attacked = join(attack);
  const Answer joined = join(request);

  EXPECT_EQ(attacked.status, 400);
  EXPECT_EQ(attacked.reason(), "request.field_unknown");
  ASSERT_EQ(joined.status, 200) << joined.text;  // the refused attempt did not spend the token
  const std::vector<std::string> expected{"broker.acme.example", std::string("\xc0\x00\x02\x07", 4)};
  EXPECT_EQ(names_in(joined.body()["broker_certificate"]), expected);
  EXPECT_EQ(send("GET", "/v1/edges/e1").body()["broker_names"], json({"broker.acme.example", "192.0.2.7"}));
}

TEST_F(EdgeAccess, AnEdgeWithoutBrokerNamesGetsNoServerCertificate) {
  const std::string token = invite({{"name", "e1"}});
  json request{{"join_token", token}, {"csr", make_csr("edge")}, {"broker_csr", make_csr("broker")}};

  const Answer with_broker = join(request);
  request.erase("broker_csr");
  const Answer alone = join(request);

  EXPECT_EQ(with_broker.status, 409);
  EXPECT_EQ(with_broker.reason(), "edge.broker_names_missing");
  ASSERT_EQ(alone.status, 200) << alone.text;
  EXPECT_FALSE(alone.body().contains("broker_certificate"));
  EXPECT_FALSE(Certificate::parse_pem(alone.body()["certificate"].get<std::string>())
                   ->allows(x509::ExtendedKeyUsage::kServerAuth));
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.infrastructure_certificates WHERE kind = 'broker'"), "0");
}

TEST_F(EdgeAccess, BrokerNamesAreDnsNamesAndAddresses) {
  for (const char* name :
       {"", "UPPER.example", "*.example", "a b", "host:8883", "-x.example", "x..y", "spiffe://td/x"}) {
    const Answer made = send("POST", "/v1/edges", {{"name", "e1"}, {"broker_names", {name}}});
    EXPECT_EQ(made.status, 400) << name;
    EXPECT_EQ(made.reason(), "request.field_invalid") << name;
  }
  const json many(std::vector<std::string>(17, "x.example"));
  EXPECT_EQ(send("POST", "/v1/edges", {{"name", "e1"}, {"broker_names", many}}).status, 400);
}

TEST_F(EdgeAccess, AnEdgeOfNamedTenantsLearnsOfTheseOnly) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  enrol(acme, "pump");
  enrol(beta, "valve");
  const JoinedEdge edge = join_edge({{"name", "e1"}, {"tenants", {"acme"}}});
  const JoinedEdge all = join_edge({{"name", "e2"}});
  const auto tenants_of = [](const std::vector<json>& lines) {
    std::set<std::string> ids;
    for (const json& line : lines) {
      if (line.contains("tenant_id")) ids.insert(line["tenant_id"]);
      if (line["type"] == "tenant") ids.insert(line["id"]);
    }
    return ids;
  };
  const auto snapshot = lines_of(send(edge.via, "GET", "/v1/edge/snapshot").text);
  const std::string since = snapshot.front()["epoch"].get<std::string>() + ":" + snapshot.front()["number"].dump();

  enrol(beta, "valve-2");
  const Answer quiet = send(edge.via, "GET", "/v1/edge/changes?since=" + since);
  enrol(acme, "pump-2");
  const Answer changes = send(edge.via, "GET", "/v1/edge/changes?since=" + since);

  EXPECT_EQ(tenants_of(snapshot), std::set<std::string>{acme.id.text()});
  EXPECT_EQ(lines_of(quiet.text).back()["count"], 0) << quiet.text;
  EXPECT_EQ(tenants_of(lines_of(changes.text)), std::set<std::string>{acme.id.text()});
  EXPECT_EQ(changes.text.find("valve"), std::string::npos);
  const auto everything = lines_of(send(all.via, "GET", "/v1/edge/snapshot").text);
  EXPECT_EQ(tenants_of(everything), (std::set<std::string>{acme.id.text(), beta.id.text()}));
  EXPECT_NE(send(edge.via, "GET", "/v1/edge/digest").body()["digest"],
            send(all.via, "GET", "/v1/edge/digest").body()["digest"]);
}

TEST_F(EdgeAccess, AnEdgeAppendsForItsTenantsOnly) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  const JoinedEdge edge = join_edge({{"name", "e1"}, {"tenants", {"acme"}}});
  const auto log = open_log(edge.database_role);

  const auto own = append(*log, acme.id, 2);
  const auto foreign = append(*log, beta.id, 2);

  EXPECT_TRUE(own.ok()) << to_log_text(own.error());
  EXPECT_FALSE(foreign.ok());
}

class Session {
 public:
  explicit Session(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}
  ~Session() { PQfinish(connection_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  bool alive() const { return PQstatus(connection_) == CONNECTION_OK; }
  bool run(const char* sql) {
    PGresult* result = PQexec(connection_, sql);
    const bool done = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return done;
  }

 private:
  PGconn* connection_;
};

TEST_F(EdgeAccess, RemovingAnEdgeTakesEverythingAtOnce) {
  const TestTenant acme = make_tenant("acme");
  const JoinedEdge edge = join_edge({{"name", "e1"}});
  http::ClientConfig config;
  config.base_url = "https://127.0.0.1:" + std::to_string(server->edges_port());
  config.ca_file = path("root.pem");
  config.client_certificate_file = path("e1.pem");
  config.client_key_file = path("e1.key");
  auto live = http::Client::create(config).value();
  http::ClientRequest snapshot;
  snapshot.target = "/v1/edge/snapshot";
  Session session{database.url(edge.database_role)};
  const auto log = open_log(edge.database_role);
  ASSERT_EQ(live.send(snapshot)->status, 200);
  ASSERT_TRUE(session.run("SELECT * FROM log.current_epochs()"));
  ASSERT_TRUE(append(*log, acme.id, 1).ok());

  ASSERT_EQ(send("DELETE", "/v1/edges/e1").status, 204);

  EXPECT_EQ(live.send(snapshot)->status, 401);
  EXPECT_FALSE(session.run("SELECT 1"));
  EXPECT_FALSE(session.alive());
  EXPECT_FALSE(Session{database.url(edge.database_role)}.alive());
  EXPECT_FALSE(append(*log, acme.id, 1).ok());
  EXPECT_EQ(database.execute("SELECT count(*) FROM pg_roles WHERE rolname = '" + edge.database_role + "'"), "0");
  EXPECT_EQ(database.execute("SELECT active FROM log.appenders WHERE role = '" + edge.database_role + "'"), "f");
  EXPECT_EQ(send("GET", "/v1/edges/e1").status, 404);
  EXPECT_EQ(send("DELETE", "/v1/edges/e1").status, 404);
  const JoinedEdge again = join_edge({{"name", "e1"}});  // another edge under the name, with nothing of the old one
  EXPECT_NE(again.id, edge.id);
  EXPECT_NE(again.database_role, edge.database_role);
  EXPECT_EQ(live.send(snapshot)->status, 401);
}

TEST_F(EdgeAccess, ARemovalCutOffInTheMiddleIsFinishedByHousekeeping) {
  const JoinedEdge edge = join_edge({{"name", "e1"}});
  Session session{database.url(edge.database_role)};
  ASSERT_TRUE(session.alive());

  const auto removed = db::run_in_transaction(*pool, db::Scope::system(), [&](db::Transaction& tx) {
    return registry::remove_edge(tx, EdgeId::parse(edge.id).value(), clock.now());
  });

  ASSERT_TRUE(removed.ok()) << to_log_text(removed.error());
  EXPECT_FALSE(session.run("SELECT 1"));
  EXPECT_FALSE(Session{database.url(edge.database_role)}.alive());
  EXPECT_TRUE(test_support::eventually(
      [&] { return database.execute("SELECT 1 FROM pg_roles WHERE rolname = '" + edge.database_role + "'").empty(); },
      std::chrono::seconds{20}));
}

}  // namespace
}  // namespace muster::api
