// SPDX-License-Identifier: Apache-2.0
//
// Many edges wait for the next change at the same time: nobody else is kept waiting by that, and all of them hear of
// it.
#include <atomic>
#include <thread>

#include "integration/api/edge_lab.h"
#include "support/eventually.h"

namespace muster::api {
namespace {

class EdgePolls : public EdgeLab {
 protected:
  static constexpr int kPolls = 100;

  // Starts kPolls waiting requests of one edge, each on a connection of its own.
  void start_polls(const JoinedEdge& edge) {
    const json begin = lines_of(send(edge.via, "GET", "/v1/edge/snapshot").text).front();
    const std::string target = "/v1/edge/changes?since=" + begin.value("epoch", "") + ":" +
                               std::to_string(begin.value("number", 0)) + "&wait_ms=30000";
    for (int i = 0; i < kPolls; ++i) {
      polls.emplace_back([this, via = edge.via, target] {
        const auto answer = try_send(via, "GET", target);
        const bool told = answer.ok() && answer->status == 200 && answer->body.find("\"tenant\"") != std::string::npos;
        ++ended;
        if (told) ++told_of_change;
      });
    }
  }
  bool all_wait() {
    const std::string text = metrics.render();
    const std::string name = "muster_http_connections_open{listener=\"edges\"} ";
    const auto at = text.find(name);
    return at != std::string::npos && std::stoi(text.substr(at + name.size())) >= kPolls;
  }

  std::atomic<int> ended{0};
  std::atomic<int> told_of_change{0};
  std::vector<std::jthread> polls;
};

TEST_F(EdgePolls, AHundredOfThemTakeNothingFromRest) {
  const JoinedEdge edge = join_edge({{"name", "many"}});
  start_polls(edge);
  ASSERT_TRUE(test_support::eventually([&] { return all_wait(); }));

  // Reading, writing that edges do not hear of, and a second edge's own requests: all answered while the polls wait.
  for (int i = 0; i < 50; ++i) EXPECT_EQ(send("GET", "/v1/tenants").status, 200);
  for (int i = 0; i < 20; ++i) make_token(registry::TokenRole::kAuditor);
  EXPECT_EQ(send("GET", "/v1/edges/many").status, 200);
  EXPECT_EQ(send(edge.via, "GET", "/v1/edge/digest").status, 200);
  EXPECT_EQ(ended, 0);

  EXPECT_EQ(send("POST", "/v1/tenants", {{"name", "acme"}}).status, 201);
  polls.clear();  // joins
  EXPECT_EQ(told_of_change, kPolls);
}

TEST_F(EdgePolls, AnEdgeThatIsRemovedLearnsNothingFromAPollThatItBegan) {
  const JoinedEdge edge = join_edge({{"name", "gone"}});
  start_polls(edge);
  ASSERT_TRUE(test_support::eventually([&] { return all_wait(); }));
  EXPECT_EQ(send("DELETE", "/v1/edges/gone").status, 204);
  EXPECT_EQ(send("POST", "/v1/tenants", {{"name", "secret"}}).status, 201);
  polls.clear();
  EXPECT_EQ(ended, kPolls);
  EXPECT_EQ(told_of_change, 0);
}

}  // namespace
}  // namespace muster::api
