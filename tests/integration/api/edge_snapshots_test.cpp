// SPDX-License-Identifier: Apache-2.0
//
// Many edges load everything at the same time, as after an outage: the registry is walked for all of them together, and
// nobody gets a state from before he asked. A lock on a table holds the walk where the test wants it.
#include <memory>
#include <thread>

#include "integration/api/edge_lab.h"
#include "support/eventually.h"

namespace muster::api {
namespace {

class EdgeSnapshots : public EdgeLab {
 protected:
  void SetUp() override {
    EdgeLab::SetUp();
    make_tenant("acme");
    edge = join_edge({{"name", "many"}});
    connection.reset(PQconnectdb(database.superuser_url().c_str()));
  }
  void TearDown() override {
    connection.reset();  // also where an assertion ended the test: nobody waits for the lock any more
    requests.clear();
    EdgeLab::TearDown();
  }

  void sql(const char* text) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(connection.get(), text), &PQclear};
    ASSERT_EQ(PQresultStatus(result.get()), PGRES_COMMAND_OK) << PQerrorMessage(connection.get());
  }
  void hold_walks() {
    sql("BEGIN");
    sql("LOCK TABLE muster.policies IN ACCESS EXCLUSIVE MODE");
  }
  void release_walks() { sql("ROLLBACK"); }
  // Asks from a thread and a connection of its own.
  void ask(Answer& answer) {
    requests.emplace_back([this, &answer] {
      const auto got = try_send(edge.via, "GET", "/v1/edge/snapshot");
      if (got.ok()) answer = {got->status, got->headers, got->body};
    });
  }
  int metric(const std::string& name) {
    const std::string page = metrics.render();
    const auto at = page.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stoi(page.substr(at + name.size() + 2));
  }
  bool waiting(int count) {
    return test_support::eventually([&] { return metric("muster_api_snapshot_requests_waiting") == count; });
  }
  // The walk has read the tenants and stands at the policies.
  bool walk_stands_still() {
    return test_support::eventually([&] {
      return database.execute(
                 "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'muster.policies'::regclass") == "1";
    });
  }
  static std::string status_of_tenant(const Answer& answer) {
    for (const json& line : lines_of(answer.text)) {
      if (line["type"] == "tenant") return line["status"];
    }
    return "no tenant";
  }

  JoinedEdge edge;
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection{nullptr, &PQfinish};
  std::vector<std::jthread> requests;
};

TEST_F(EdgeSnapshots, WhoAsksWhileAWalkRunsSharesTheNextOne) {
  constexpr int kOthers = 12;
  Answer first;
  std::vector<Answer> others(kOthers);
  hold_walks();
  ask(first);
  ASSERT_TRUE(walk_stands_still());
  database.execute("UPDATE muster.tenants SET status = 'suspended' WHERE name = 'acme'");
  for (Answer& one : others) ask(one);
  ASSERT_TRUE(waiting(1 + kOthers));
  release_walks();
  requests.clear();  // joins

  EXPECT_EQ(status_of_tenant(first), "active");
  for (const Answer& one : others) {
    EXPECT_EQ(one.status, 200);
    EXPECT_EQ(status_of_tenant(one), "suspended");
    const auto lines = lines_of(one.text);
    EXPECT_EQ(lines.back().value("count", 0U), lines.size() - 2);
    EXPECT_TRUE(lines.front().contains("signature")) << "each has its own first line";
  }
  EXPECT_EQ(metric("muster_api_snapshot_walks_total"), 2);
  EXPECT_EQ(metric("muster_api_snapshot_requests_waiting"), 0);
}

TEST_F(EdgeSnapshots, AnEdgeThatIsRemovedWhileItWaitsLearnsNothing) {
  Answer answer;
  hold_walks();
  ask(answer);
  ASSERT_TRUE(walk_stands_still());
  EXPECT_EQ(send("DELETE", "/v1/edges/many").status, 204);
  release_walks();
  requests.clear();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.text.find("acme"), std::string::npos);
}

TEST_F(EdgeSnapshots, AWalkThatFailedIsNotAskedForAgainByItself) {
  Answer answer;
  hold_walks();
  ask(answer);
  ASSERT_TRUE(walk_stands_still());
  database.execute(
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'muster.policies'::regclass");
  requests.clear();
  EXPECT_EQ(answer.status, 503);
  release_walks();
  EXPECT_EQ(send(edge.via, "GET", "/v1/edge/snapshot").status, 200);
}

}  // namespace
}  // namespace muster::api
