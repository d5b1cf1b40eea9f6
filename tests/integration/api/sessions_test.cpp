// SPDX-License-Identifier: Apache-2.0
//
// Where a device is, told by edges that joined: the newest session wins, commands follow it, and what a hostile edge,
// tenant or role can do with either.
#include <algorithm>
#include <chrono>

#include "core/encoding.h"
#include "integration/api/edge_lab.h"

namespace muster::api {
namespace {

class Sessions : public EdgeLab {
 protected:
  void SetUp() override {
    EdgeLab::SetUp();
    acme_ = EdgeLab::make_tenant("acme");
    beta_ = EdgeLab::make_tenant("beta");
    e1_ = join_edge({{"name", "e1"}});
    e2_ = join_edge({{"name", "e2"}});
    only_beta_ = join_edge({{"name", "e3"}, {"tenants", {"beta"}}});
    pump_ = make_device(acme_, "pump");
  }
  std::string make_device(const TestTenant& tenant, const std::string& name) {
    return send("POST", tenant.path + "/devices", {{"name", name}}).body().value("id", "");
  }
  static std::string random_id() { return to_uuid_text(random_raw_id()); }

  struct Session {
    std::string incarnation, connection;
  };
  // A new connection at a broker (incarnation) of an edge.
  Session claim(const JoinedEdge& edge, const std::string& incarnation, int age_ms = 0) {
    const Session session{incarnation, random_id()};
    say_again(edge, session, age_ms);
    return session;
  }
  void say_again(const JoinedEdge& edge, const Session& session, int age_ms = 0) {
    const json entry{{"incarnation", session.incarnation},
                     {"tenant_id", acme_.id.text()},
                     {"device_id", pump_},
                     {"connection", session.connection},
                     {"age_ms", age_ms}};
    const Answer answer = tell(edge, json::array({entry}));
    EXPECT_EQ(answer.status, 204) << answer.text;
  }
  Answer tell(const JoinedEdge& edge, const json& sessions, const json& sent = json::array(),
              const json& answered = json::array()) {
    return send(edge.via, "POST", "/v1/edge/sessions",
                json{{"sessions", sessions}, {"sent", sent}, {"answered", answered}}.dump());
  }
  json report(const std::string& command) const {
    return {{"tenant_id", acme_.id.text()}, {"device_id", pump_}, {"command", command}};
  }
  // What the edge is to do; it has it when this returns.
  std::vector<json> orders(const JoinedEdge& edge, int wait_ms = 0) {
    const Answer polled = send(edge.via, "POST", "/v1/edge/orders", json{{"wait_ms", wait_ms}}.dump());
    EXPECT_EQ(polled.status, 200) << polled.text;
    std::vector<json> found = polled.body()["orders"];
    json done = json::array();
    for (const json& order : found) done.push_back(order["id"]);
    if (!done.empty()) {
      EXPECT_EQ(send(edge.via, "POST", "/v1/edge/orders", json{{"done", done}}.dump()).status, 200);
    }
    return found;
  }
  std::vector<std::string> cuts(const JoinedEdge& edge) {
    std::vector<std::string> connections;
    for (const json& order : orders(edge)) {
      if (order["kind"] == "cut") connections.push_back(order["connection"]);
    }
    return connections;
  }
  Answer command(const json& body) { return send("POST", "/v1/tenants/acme/devices/pump/commands", body); }
  json state_of(const std::string& id) { return send("GET", "/v1/tenants/acme/devices/pump/commands/" + id).body(); }

  using Cut = std::vector<std::string>;
  TestTenant acme_, beta_;
  JoinedEdge e1_, e2_, only_beta_;
  std::string pump_;
  const std::string b1_ = random_id(), b2_ = random_id();
};

TEST_F(Sessions, TheOlderSessionIsCutWhereItIs) {
  const Session old = claim(e1_, b1_);
  claim(e2_, b2_);
  EXPECT_EQ(cuts(e1_), Cut{old.connection});
  EXPECT_EQ(cuts(e2_), Cut{});
  EXPECT_EQ(cuts(e1_), Cut{}) << "said once, when the edge has it";
}

TEST_F(Sessions, AnOrderIsRepeatedUntilTheEdgeSaysThatItHasIt) {
  claim(e1_, b1_);
  claim(e2_, b2_);
  const auto poll = [&] { return send(e1_.via, "POST", "/v1/edge/orders", "{}").body()["orders"]; };
  const json first = poll();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(poll(), first);
}

TEST_F(Sessions, WithinOneBrokerTheBrokerItselfEndsTheOlder) {
  claim(e1_, b1_);
  claim(e1_, b1_);
  EXPECT_EQ(cuts(e1_), Cut{});
}

TEST_F(Sessions, TwoBrokersOfOneEdgeAreTwoBrokers) {
  const Session old = claim(e1_, b1_);
  claim(e1_, b2_);
  EXPECT_EQ(cuts(e1_), Cut{old.connection});
}

// The uplink of the first host was cut; its news comes after that of the second host, where the device is now. No clock
// of a host is asked: only how long ago it was.
TEST_F(Sessions, NewsThatComesLateDoesNotPassForANewSession) {
  const Session now = claim(e2_, b2_, 5'000);
  const Session late = claim(e1_, b1_, 60'000);
  EXPECT_EQ(cuts(e1_), Cut{late.connection});
  EXPECT_EQ(cuts(e2_), Cut{});
  say_again(e2_, now, 6'000);
  EXPECT_EQ(cuts(e2_), Cut{});
}

TEST_F(Sessions, AnAbsurdAgeIsNoWeapon) {
  const Session old = claim(e1_, b1_);
  const json entry{{"incarnation", b2_},
                   {"tenant_id", acme_.id.text()},
                   {"device_id", pump_},
                   {"connection", random_id()},
                   {"age_ms", -1}};
  EXPECT_EQ(tell(e2_, {entry}).status, 400);
  claim(e2_, b2_, 2'000'000'000);
  EXPECT_EQ(cuts(e1_), Cut{});
  EXPECT_EQ(cuts(e2_).size(), 1u);
}

// The database's clock went back by an hour after the session began: nobody is locked out until it has caught up.
TEST_F(Sessions, AfterAStepOfTheClockArrivalDecides) {
  const Session old = claim(e1_, b1_);
  database.execute("UPDATE muster.device_sessions SET began_at = began_at + interval '1 hour'");
  claim(e2_, b2_);
  EXPECT_EQ(cuts(e1_), Cut{old.connection});
  EXPECT_EQ(cuts(e2_), Cut{});
}

// A copied key: both reconnect at once, whenever they are cut.
TEST_F(Sessions, ClonesThatTakeTurnsAreSlowedDownAndReported) {
  int immediate = 0;
  for (int round = 0; round < 10; ++round) {
    claim(round % 2 == 0 ? e1_ : e2_, round % 2 == 0 ? b1_ : b2_);
    immediate += static_cast<int>(cuts(e1_).size() + cuts(e2_).size());
  }
  EXPECT_GE(immediate, 4);
  EXPECT_LE(immediate, 6);
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.edge_orders WHERE due_at > clock_timestamp()"),
            std::to_string(9 - immediate));
  int told = 0;
  const json items = send({acme_.admin, ""}, "GET", "/v1/audit").body()["items"];
  for (const json& item : items) told += item["action"] == "device.contested" && item["target"] == "device:" + pump_;
  EXPECT_EQ(told, 1);
  EXPECT_NE(send("GET", "/metrics").text.find("muster_devices_contested_total 1"), std::string::npos);
}

TEST_F(Sessions, AnEdgeSpeaksForItsOwnTenantsOnly) {
  const Session old = claim(e1_, b1_);
  claim(only_beta_, b2_);
  EXPECT_EQ(cuts(e1_), Cut{});
  const std::string id = command({{"name", "reboot"}}).body()["id"];
  EXPECT_TRUE(orders(only_beta_).empty());
  EXPECT_EQ(tell(only_beta_, json::array(), json::array({report(id)}), json::array({report(id)})).status, 204);
  EXPECT_EQ(state_of(id)["status"], "pending");
  // A device of another tenant under a tenant that is served.
  const json entry{{"incarnation", b2_},
                   {"tenant_id", beta_.id.text()},
                   {"device_id", pump_},
                   {"connection", random_id()},
                   {"age_ms", 0}};
  EXPECT_EQ(tell(only_beta_, json::array({entry})).status, 204);
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.device_sessions"), "1");
}

TEST_F(Sessions, AnEdgeCannotFinishTheOrdersOfAnother) {
  const Session old = claim(e1_, b1_);
  claim(e2_, b2_);
  const std::string order = database.execute("SELECT id FROM muster.edge_orders");
  EXPECT_EQ(send(e2_.via, "POST", "/v1/edge/orders", json{{"done", {order}}}.dump()).status, 200);
  EXPECT_EQ(cuts(e1_), Cut{old.connection});
}

TEST_F(Sessions, OfOneEdgeOnlySoManyRequestsAreTaken) {
  const auto began = std::chrono::steady_clock::now();
  int taken = 0;
  for (int i = 0; i < 260; ++i) {
    const Answer told = tell(e1_, json::array());
    taken += told.status == 204;
    EXPECT_TRUE(told.status == 204 || (told.status == 429 && told.reason() == "request.rate_limited"));
  }
  // 200 at once and 40 a second: a machine that is too slow to send more sees no refusal.
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_LE(taken, 201 + 40 * took.count());
  EXPECT_EQ(tell(e2_, json::array()).status, 204) << "others are not slowed down";
}

TEST_F(Sessions, ACommandGoesToTheNewestSessionAndFollowsIt) {
  const Answer early = command({{"name", "reboot"}, {"payload", to_base64(as_bytes("now"))}});
  ASSERT_EQ(early.status, 201) << early.text;
  const std::string id = early.body()["id"];
  EXPECT_EQ(early.body()["status"], "pending");
  EXPECT_EQ(early.body()["topic"], "acme/pump/commands/reboot/" + id);
  const Session first = claim(e1_, b1_);
  const auto at_e1 = orders(e1_);
  ASSERT_EQ(at_e1.size(), 1u);
  EXPECT_EQ(at_e1[0]["command"], id);
  EXPECT_EQ(at_e1[0]["connection"], first.connection);
  EXPECT_EQ(at_e1[0]["payload"], to_base64(as_bytes("now")));
  EXPECT_EQ(tell(e1_, json::array(), json::array({report(id)})).status, 204);
  EXPECT_EQ(state_of(id)["status"], "sent");

  const Session second = claim(e2_, b2_);
  const auto at_e2 = orders(e2_);
  ASSERT_EQ(at_e2.size(), 1u) << "not answered: once more";
  EXPECT_EQ(at_e2[0]["connection"], second.connection);
  EXPECT_EQ(tell(e2_, json::array(), json::array(), json::array({report(id)})).status, 204);
  EXPECT_EQ(state_of(id)["status"], "answered");
  claim(e1_, b1_);
  for (const json& order : orders(e1_)) EXPECT_NE(order["kind"], "command") << "answered is answered";
}

TEST_F(Sessions, ACommandWakesThePollOfTheEdgeWhereTheDeviceIs) {
  claim(e1_, b1_);
  std::vector<json> seen;
  std::thread poll{[&] { seen = orders(e1_, 20'000); }};
  EXPECT_EQ(command({{"name", "reboot"}}).status, 201);
  poll.join();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0]["kind"], "command");
}

TEST_F(Sessions, AnExpiredCommandIsNoOrder) {
  const std::string id = command({{"name", "reboot"}, {"expires_in_seconds", 60}}).body()["id"];
  claim(e1_, b1_);
  database.execute("UPDATE muster.device_commands SET expires_at = clock_timestamp() - interval '1 second'");
  EXPECT_TRUE(orders(e1_).empty());
  EXPECT_EQ(state_of(id)["status"], "expired");
}

TEST_F(Sessions, CommandsAreForApplicationsAndAdminsOfTheTenant) {
  const std::string path = "/v1/tenants/acme/devices/pump/commands";
  const std::string body = json{{"name", "reboot"}}.dump();
  const auto status = [&](const std::string& token) { return send({token, ""}, "POST", path, body).status; };
  EXPECT_EQ(status(make_token(registry::TokenRole::kApplication, acme_.id)), 201);
  EXPECT_EQ(status(acme_.admin), 201);
  EXPECT_EQ(status(acme_.factory), 403);
  EXPECT_EQ(status(make_token(registry::TokenRole::kAuditor, acme_.id)), 403);
  EXPECT_EQ(status(beta_.admin), 404);
  EXPECT_EQ(status(make_token(registry::TokenRole::kApplication, beta_.id)), 404);
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(send({beta_.admin, ""}, "GET", path).status, 404);
  EXPECT_EQ(send({acme_.factory, ""}, "GET", path).status, 403);
  enrol(acme_, "valve");
  EXPECT_EQ(send({"", "valve"}, "POST", path, body).status, 403) << "a device orders no other device about";
  const json items = send({acme_.admin, ""}, "GET", "/v1/audit?limit=1000").body().at("items");
  const auto audited = std::count_if(items.begin(), items.end(), [](const json& item) {
    return item["action"] == "command.send" && item["outcome"] == "success";
  });
  EXPECT_EQ(audited, 2) << items;
}

TEST_F(Sessions, ACommandsNameIsOneLevelOfATopic) {
  for (const char* name : {"", "a/b", "+", "#", "a b", "-x", "\xc3\xa4", "../../other/d/commands/x"}) {
    EXPECT_EQ(command({{"name", name}}).status, 400) << name;
  }
  EXPECT_EQ(command({{"name", std::string(65, 'a')}}).status, 400);
  EXPECT_EQ(command({{"name", "x"}, {"payload", to_base64(Bytes(65'537, 1))}}).status, 400);
  EXPECT_EQ(command({{"name", "x"}, {"payload", "not base64"}}).status, 400);
  EXPECT_EQ(command({{"name", "x"}, {"expires_in_seconds", 0}}).status, 400);
  EXPECT_EQ(command({{"name", "x"}, {"content_type", "text/plain\nx"}}).status, 400);
  EXPECT_EQ(send("POST", "/v1/tenants/acme/devices/nobody/commands", {{"name", "x"}}).status, 404);
}

TEST_F(Sessions, OpenCommandsOfADeviceAreBoundedAndListedInPages) {
  std::vector<std::string> made;
  for (int i = 0; i < 100; ++i) made.push_back(command({{"name", "c" + std::to_string(i)}}).body()["id"]);
  const Answer more = command({{"name", "more"}});
  EXPECT_EQ(more.status, 409);
  EXPECT_EQ(more.reason(), "command.too_many_open");
  std::vector<std::string> listed;
  std::string cursor;
  do {
    const json page =
        send("GET", "/v1/tenants/acme/devices/pump/commands?limit=33" + (cursor.empty() ? "" : "&cursor=" + cursor))
            .body();
    for (const json& item : page["items"]) listed.push_back(item["id"]);
    cursor = page["next_cursor"].is_string() ? page["next_cursor"].get<std::string>() : "";
  } while (!cursor.empty());
  EXPECT_EQ(listed, made);
}

TEST_F(Sessions, ASuspendedDeviceGetsNoCommands) {
  EXPECT_EQ(send("PATCH", "/v1/tenants/acme/devices/pump", {{"status", "suspended"}}).status, 200);
  EXPECT_EQ(command({{"name", "reboot"}}).status, 409);
}

}  // namespace
}  // namespace muster::api
