// SPDX-License-Identifier: Apache-2.0
//
// Orders for sessions as the edge writes them, and what the broker tells the edge; also orders that somebody forged,
// tore or sent late.
#include <set>

#include "edge/posted_file.h"
#include "edge/session_news.h"
#include "edge/session_orders.h"
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

using edge::SessionNewsKind;
using edge::SessionOrder;
using edge::SessionOrderKind;

class PluginSessions : public BrokerLab {
 protected:
  void SetUp() override {
    write_snapshot(everything());
    std::filesystem::create_directories(folder_ / "snapshot/orders");
    ::chmod(path("snapshot/orders").c_str(), 0755);
    start_broker();
  }
  std::string orders_path() { return path("snapshot/orders/" + edge::orders_name(next_)); }
  void order(std::vector<SessionOrder> orders) {
    ASSERT_TRUE(edge::post_file(orders_path(), edge::encode_orders({epoch_, next_, std::move(orders)}), 0644).ok());
    ++next_;
  }
  MqttOptions options5(const Device& device) const {
    MqttOptions with = options(device);
    with.version = 5;
    return with;
  }

  struct Told {
    IncarnationId incarnation;
    edge::SessionNewsEntry entry;
  };
  // Takes what the plugin left, as the edge does.
  void read_news() {
    for (const std::string& file : edge::list_news(path("wal/sessions"), 1000)) {
      std::ifstream in(file, std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      const auto news = edge::decode_news(as_bytes(text));
      ASSERT_TRUE(news.ok());
      for (const auto& entry : news->entries) told_.push_back({news->incarnation, entry});
      std::filesystem::remove(file);
    }
  }
  std::size_t told(SessionNewsKind kind, const Device& device) {
    read_news();
    return static_cast<std::size_t>(std::ranges::count_if(
        told_, [&](const Told& told) { return told.entry.kind == kind && told.entry.device_id == device.state.id; }));
  }
  // The connection of the device's session number `which`, as the edge was told of it. A session counts once: whoever
  // missed an order tells of all again.
  ConnectionId connection_of(const Device& device, std::size_t which = 1) {
    std::vector<RawId> connections;
    EXPECT_TRUE(eventually([&] {
      read_news();
      connections.clear();
      for (const Told& told : told_) {
        const bool begun = told.entry.kind == SessionNewsKind::kBegan && told.entry.device_id == device.state.id;
        if (begun && !std::ranges::count(connections, told.entry.subject)) connections.push_back(told.entry.subject);
      }
      return connections.size() >= which;
    }));
    return connections.size() < which ? ConnectionId{} : ConnectionId{connections[which - 1]};
  }
  static SessionOrder cut(const Device& device, const ConnectionId& connection) {
    SessionOrder order;
    order.device_id = device.state.id;
    order.connection_id = connection;
    return order;
  }
  static SessionOrder command(const Device& device, const ConnectionId& connection, const std::string& name) {
    SessionOrder order = cut(device, connection);
    order.kind = SessionOrderKind::kCommand;
    order.command_id = random_raw_id();
    order.name = name;
    order.payload = to_bytes("now");
    order.expires = boottime_now().count() + 60'000'000'000;
    return order;
  }

  RawId epoch_ = random_raw_id();
  std::uint64_t next_ = 1000;
  std::vector<Told> told_;
};

TEST_F(PluginSessions, TheSessionThatIsNamedIsCutAndNoOther) {
  const auto device = connect(a1_, options5(a1_));
  const auto other = connect(a2_, options5(a2_));
  const ConnectionId connection = connection_of(a1_);
  const ConnectionId of_other = connection_of(a2_);

  order({cut(a1_, ConnectionId::random()), cut(a2_, connection), cut(a1_, of_other)});
  order({cut(a1_, connection)});

  EXPECT_TRUE(device->ended());
  EXPECT_EQ(device->disconnect_code(), 0x98);
  EXPECT_TRUE(other->ping());
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "cut.taken_over"); }));
  EXPECT_FALSE(recorded(RecordKind::kDenial, "acme/d2"));
}

TEST_F(PluginSessions, AnOrderThatComesLateDoesNothingToTheNextSession) {
  const ConnectionId before = [&] {
    const auto first = connect(a1_);
    return connection_of(a1_);
  }();
  const auto second = connect(a1_);
  connection_of(a1_, 2);
  order({cut(a1_, before)});
  order({});
  const auto probe = connect(a2_);
  order({cut(a2_, connection_of(a2_))});  // when this has been done, so has the one before
  EXPECT_TRUE(probe->ended());
  EXPECT_TRUE(second->ping());
}

TEST_F(PluginSessions, ASessionThatMovedLeavesNoWill) {
  MqttOptions with = options5(a1_);
  with.will_topic = "acme/d1/state/gone";
  const auto device = connect(a1_, with);
  order({cut(a1_, connection_of(a1_))});
  EXPECT_TRUE(device->ended());
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDisconnect, "acme/d1"); }));
  EXPECT_FALSE(recorded(RecordKind::kWill, "acme/d1"));
}

TEST_F(PluginSessions, WhoMissesAnOrderTellsOfEverythingAgain) {
  const auto first = connect(a1_);
  const auto second = connect(b1_);
  connection_of(a1_);
  connection_of(b1_);
  order({});  // the first orders of this edge: another epoch
  EXPECT_TRUE(eventually([&] { return told(SessionNewsKind::kBegan, a1_) == 2; }));
  order({});
  next_ += 3;
  order({});
  EXPECT_TRUE(eventually([&] { return told(SessionNewsKind::kBegan, a1_) == 3; }));
  EXPECT_EQ(told(SessionNewsKind::kBegan, b1_), 3u);
  std::set<RawId> subjects;
  for (const Told& told : told_) subjects.insert(told.entry.subject);
  EXPECT_EQ(subjects.size(), 2u) << "the same sessions, not new ones";
}

// Whoever may not write snapshots may not order anything either, and what is broken harms nobody.
TEST_F(PluginSessions, ForgedAndTornOrdersAreNotFollowed) {
  const auto device = connect(a1_);
  const ConnectionId connection = connection_of(a1_);
  const Bytes good = edge::encode_orders({epoch_, next_, {cut(a1_, connection)}});
  ASSERT_TRUE(edge::post_file(orders_path(), good, 0666).ok());  // everybody may write it
  ++next_;
  Bytes torn = good;
  torn.resize(torn.size() - 1);
  ASSERT_TRUE(edge::post_file(orders_path(), torn, 0644).ok());
  ++next_;
  ASSERT_TRUE(edge::post_file(orders_path(), good, 0644).ok());  // under another number than its own
  ++next_;
  if (geteuid() == 0) {  // of another user
    const std::string aside = path("aside");
    ASSERT_TRUE(edge::post_file(aside, edge::encode_orders({epoch_, next_, {cut(a1_, connection)}}), 0644).ok());
    ASSERT_EQ(::chown(aside.c_str(), 65534, 65534), 0);
    std::filesystem::rename(aside, orders_path());
    ++next_;
  }
  const auto probe = connect(a2_);
  order({cut(a2_, connection_of(a2_))});
  EXPECT_TRUE(probe->ended());
  EXPECT_TRUE(device->ping());
  EXPECT_TRUE(broker_.running());
}

// Who got hold of orders of earlier sends them once more: under their old number, under a new one, in a new file.
TEST_F(PluginSessions, ReplayedOrdersDoNothing) {
  std::string old_path;
  Bytes recorded_octets;
  SessionOrder old_cut, old_command;
  {
    const auto first = connect(a1_, options5(a1_));
    ASSERT_EQ(first->subscribe("acme/d1/commands/#"), 1);
    old_cut = cut(a1_, connection_of(a1_));
    old_command = command(a1_, old_cut.connection_id, "reboot");
    order({old_command});
    ASSERT_TRUE(first->receive());
    old_path = orders_path();
    recorded_octets = edge::encode_orders({epoch_, next_, {old_cut}});
    order({old_cut});
    ASSERT_TRUE(first->ended());
  }
  const auto second = connect(a1_, options5(a1_));
  ASSERT_EQ(second->subscribe("acme/d1/commands/#"), 1);
  const ConnectionId now = connection_of(a1_, 2);
  ASSERT_NE(now, old_cut.connection_id);

  ASSERT_TRUE(edge::post_file(old_path, recorded_octets, 0644).ok());
  order({old_command, old_cut});
  SessionOrder other_device = old_command;  // the command of one, for the connection of another
  other_device.device_id = a2_.state.id;
  other_device.connection_id = now;
  order({other_device});
  const auto probe = connect(a2_);
  order({cut(a2_, connection_of(a2_))});
  EXPECT_TRUE(probe->ended());
  EXPECT_TRUE(second->ping());
  EXPECT_FALSE(second->receive(std::chrono::milliseconds(0)));
}

TEST_F(PluginSessions, OrdersInAFolderThatOthersMayWriteAreNotFollowed) {
  const auto device = connect(a1_);
  const ConnectionId connection = connection_of(a1_);
  ASSERT_EQ(::chmod(path("snapshot/orders").c_str(), 0777), 0);
  order({cut(a1_, connection)});
  const std::uint64_t forged = next_ - 1;
  EXPECT_FALSE(device->ended(std::chrono::milliseconds(1500))) << "longer than between two looks at the folder";
  std::filesystem::remove(path("snapshot/orders/" + edge::orders_name(forged)));
  ASSERT_EQ(::chmod(path("snapshot/orders").c_str(), 0755), 0);
  const auto probe = connect(a2_);
  order({cut(a2_, connection_of(a2_))});
  EXPECT_TRUE(probe->ended());
  EXPECT_TRUE(device->ping());
}

TEST_F(PluginSessions, ACommandReachesItsDeviceWhenItHasSubscribed) {
  const auto device = connect(a1_, options5(a1_));
  const auto other = connect(a2_, options5(a2_));
  ASSERT_EQ(other->subscribe("acme/d2/commands/#"), 1);
  const SessionOrder reboot = command(a1_, connection_of(a1_), "reboot");
  order({reboot, reboot});
  EXPECT_TRUE(device->ping());
  EXPECT_EQ(told(SessionNewsKind::kSent, a1_), 0u) << "not subscribed yet";

  ASSERT_EQ(device->subscribe("acme/d1/commands/#"), 1);
  const auto message = device->receive();
  ASSERT_TRUE(message);
  const std::string id = to_uuid_text(reboot.command_id);
  EXPECT_EQ(message->topic, "acme/d1/commands/reboot/" + id);
  EXPECT_EQ(message->payload, "now");
  EXPECT_TRUE(eventually([&] { return told(SessionNewsKind::kSent, a1_) == 1; }));
  EXPECT_TRUE(device->ping());
  EXPECT_FALSE(device->receive(std::chrono::milliseconds(0))) << "twice in the orders, once to a session";

  EXPECT_EQ(device->publish("acme/d1/responses/" + id, "done"), 0);
  EXPECT_TRUE(eventually([&] { return told(SessionNewsKind::kAnswered, a1_) == 1; }));
  EXPECT_EQ(told_.back().entry.subject, reboot.command_id);
  EXPECT_EQ(device->publish("acme/d1/responses/not-an-id", "done"), 0);
  EXPECT_TRUE(other->ping());
  EXPECT_FALSE(other->receive(std::chrono::milliseconds(0)));
}

TEST_F(PluginSessions, CommandsStayWithinTheDevicesPolicyAndTopics) {
  edge::PolicyState policy{PolicyId::random(),
                           acme_.state.id,
                           edge::EntityStatus::kActive,
                           {{PolicyAction::kSubscribe, "${tenant}/${device}/config/#"}}};
  a1_.state.policy_id = policy.id;
  change({policy, a1_.state});
  const auto device = connect(a1_);
  const auto other = connect(a2_);
  ASSERT_EQ(other->subscribe("acme/d2/#"), 0x80);
  ASSERT_EQ(other->subscribe("acme/d2/commands/#"), 1);
  SessionOrder expired = command(a2_, connection_of(a2_), "late");
  expired.expires = boottime_now().count() - 1;
  order({command(a1_, connection_of(a1_), "reboot"), expired, command(a2_, connection_of(a2_), "+"),
         command(a2_, connection_of(a2_), "../../d1/commands"), command(a2_, connection_of(a2_), "good")});
  const auto message = other->receive();
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->topic.starts_with("acme/d2/commands/"));
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_commands_dropped_total") >= 3; }));
  EXPECT_EQ(told(SessionNewsKind::kSent, a1_), 0u);
  EXPECT_TRUE(device->ping());
}

TEST_F(PluginSessions, TwoBrokersDoNotShareAWal) {
  const std::string config = path("second.conf");
  {
    std::ifstream in(path("mosquitto.conf"));
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto replace = [&](const std::string& from, const std::string& to) {
      text.replace(text.find(from), from.size(), to);
    };
    replace("broker_config " + path("mosquitto.conf"), "broker_config " + config);
    replace("listener " + std::to_string(port_), "listener " + std::to_string(free_port()));
    std::ofstream(config) << text;
  }
  ChildProcess second = ChildProcess::spawn({.command = {broker_program(), "-c", config},
                                             .environment = {},
                                             .output_file = path("second.log"),
                                             .run_as = "",
                                             .death_signal = SIGKILL});
  EXPECT_TRUE(eventually([&] { return !second.running(); }));
  std::ifstream log(path("second.log"));
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  EXPECT_NE(text.find("wal.folder_in_use"), std::string::npos) << text;
  EXPECT_EQ(connect(a1_)->connack(), 0) << "the first goes on";
}

}  // namespace
}  // namespace muster::test_support
