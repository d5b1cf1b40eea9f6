// SPDX-License-Identifier: Apache-2.0
//
// What one listed device may take from the others: nothing that has no end.
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

class PluginHostileDevice : public BrokerLab {
 protected:
  void SetUp() override { write_snapshot(everything()); }
  MqttOptions options5(const Device& device) const {
    MqttOptions with = options(device);
    with.version = 5;
    return with;
  }
};

TEST_F(PluginHostileDevice, SubscriptionsAreBounded) {
  start_broker();
  const auto subscribe_until_refused = [](MqttClient& client, const std::string& prefix) {
    int allowed = 0;
    while (allowed < 1000 && client.subscribe(prefix + std::to_string(allowed)) == 1) ++allowed;
    return allowed;
  };
  {
    const auto client = connect(a1_);
    EXPECT_EQ(subscribe_until_refused(*client, "acme/d1/commands/a/"), 256);
    EXPECT_EQ(client->subscribe("acme/d1/commands/a/7"), 1) << "what it has it may ask for again";
  }
  const auto again = connect(a1_);
  EXPECT_EQ(subscribe_until_refused(*again, "acme/d1/commands/b/"), 256) << "a clean start begins at none";
  EXPECT_EQ(connect(b1_)->subscribe("beta/d1/commands/#"), 1);
}

TEST_F(PluginHostileDevice, RetainedMessagesAreBounded) {
  start_broker();
  const auto client = connect(a1_, options5(a1_));
  int kept = 0;
  while (kept < 1000 && client->publish("acme/d1/state/" + std::to_string(kept), "x", 1, true) == 0) ++kept;

  EXPECT_EQ(kept, 256);
  EXPECT_EQ(client->publish("acme/d1/state/0", "y", 1, true), 0);
  EXPECT_EQ(connect(b1_, options5(b1_))->publish("beta/d1/state/new", "x", 1, true), 0);
}

// Nobody ships: the WAL only grows.
TEST_F(PluginHostileDevice, OneDeviceCannotFillTheWal) {
  start_broker("plugin_opt_wal_max_bytes 16777216\n");
  const std::string large(100'000, 'x');
  std::size_t accepted = 0;
  while (accepted < 40'000'000) {
    const auto client = connect(a1_);
    if (client->connack() != 0 || client->publish("acme/d1/telemetry", large) != 0) break;
    accepted += large.size();
    while (client->publish("acme/d1/telemetry", large) == 0) accepted += large.size();
    usleep(300'000);  // shares are settled a few times a second: coming back must not help
  }

  EXPECT_GT(accepted, 6'000'000u);
  EXPECT_LT(accepted, 12'000'000u);
  EXPECT_EQ(connect(b1_)->publish("beta/d1/telemetry", large), 0);
  EXPECT_EQ(connect(a2_)->publish("acme/d2/telemetry", large), 0);
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "wal.device_quota"); }));
}

// A device hammers at a topic that it may not touch, over and over.
TEST_F(PluginHostileDevice, DenialsDoNotFillTheLog) {
  start_broker();
  const auto client = connect(a1_, options5(a1_));
  for (int i = 0; i < 2000; ++i) ASSERT_NE(client->publish("beta/d1/telemetry", "x"), 0);

  const auto all = wal_records();
  EXPECT_LE(std::ranges::count_if(all, [](const Recorded& r) { return r.kind == RecordKind::kDenial; }), 12);
}

}  // namespace
}  // namespace muster::test_support
