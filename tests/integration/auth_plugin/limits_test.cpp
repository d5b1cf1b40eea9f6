// SPDX-License-Identifier: Apache-2.0
//
// Who is over a limit is turned away with the right words, and nobody is told that a message was stored when it was
// not. Counts and order are compared, not time.
#include <atomic>
#include <thread>

#include "auth-plugin/return_delay.h"
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

class PluginLimits : public BrokerLab {
 protected:
  void SetUp() override { write_snapshot(everything()); }
  MqttOptions options5(const Device& device) const {
    MqttOptions with = options(device);
    with.version = 5;
    return with;
  }
  std::size_t published(const std::string& principal) const {
    const auto all = wal_records();
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [&](const Recorded& r) { return r.kind == RecordKind::kPublish && r.principal == principal; }));
  }
};

// One message a second, three at once: the fourth is over the limit.
constexpr const char* kThreeAtOnce =
    "plugin_opt_device_publish_messages_per_second 1\nplugin_opt_device_publish_messages_burst 3\n";

std::size_t publish_until_cut(MqttClient& client, const std::string& topic) {
  std::size_t acknowledged = 0;
  while (acknowledged < 100 && client.publish(topic, "x") == 0) ++acknowledged;
  return acknowledged;
}

TEST_F(PluginLimits, Mqtt5HearsThatItsQuotaIsExceeded) {
  start_broker(kThreeAtOnce);
  const auto client = connect(a1_, options5(a1_));
  const std::size_t acknowledged = publish_until_cut(*client, "acme/d1/telemetry");
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(client->disconnect_code(), 0x97);
  EXPECT_GE(acknowledged, 3U);
  EXPECT_LT(acknowledged, 100U);
  EXPECT_EQ(published("acme/d1"), acknowledged) << "what was acknowledged is stored, and nothing else";
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "limit.message_rate"); }));
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_tenant_limited_total{tenant=\"acme\"}") >= 1; }));
}

TEST_F(PluginLimits, Mqtt311IsDisconnectedAndNeverToldThatItsMessageIsStored) {
  start_broker(kThreeAtOnce);
  const auto client = connect(a1_);
  const std::size_t acknowledged = publish_until_cut(*client, "acme/d1/telemetry");
  EXPECT_TRUE(client->ended());
  EXPECT_LT(acknowledged, 100U);
  EXPECT_EQ(published("acme/d1"), acknowledged);
}

TEST_F(PluginLimits, ComingBackDoesNotRefillABucket) {
  start_broker(kThreeAtOnce);
  std::size_t acknowledged = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int connection = 0; connection < 4; ++connection) {
    const auto client = connect(a1_);
    ASSERT_EQ(client->connack(), 0);
    acknowledged += publish_until_cut(*client, "acme/d1/telemetry");
  }
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LE(static_cast<double>(acknowledged), 3 + seconds + 1);
}

TEST_F(PluginLimits, WhoIsCutAgainWaitsBeforeItIsLetInAndNobodyElseDoes) {
  const auto start = std::chrono::steady_clock::now();
  start_broker(kThreeAtOnce);
  for (int connection = 0; connection < 2; ++connection) {
    ASSERT_LT(publish_until_cut(*connect(a1_), "acme/d1/telemetry"), 100U);
  }
  std::unique_ptr<MqttClient> third;
  std::thread returning([&] { third = connect(a1_); });
  EXPECT_EQ(connect(a2_)->connack(), 0) << "of the same tenant, and behind the same address";
  EXPECT_EQ(connect(b1_)->connack(), 0);
  returning.join();
  EXPECT_EQ(third->connack(), 0) << "it need not try again";
  EXPECT_GE(std::chrono::steady_clock::now() - start, auth_plugin::ReturnDelay::kShortest);
  EXPECT_TRUE(third->ping());
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_handshakes_pending") == 0; }));
  EXPECT_EQ(metric("muster_broker_handshakes_resting"), 0);
}

TEST_F(PluginLimits, LargePayloadsAndTooManyOctetsHaveTheirOwnWords) {
  start_broker("plugin_opt_device_payload_octets 1000\nplugin_opt_device_publish_octets_per_second 5000\n");
  const auto large = connect(a1_, options5(a1_));
  EXPECT_EQ(large->publish("acme/d1/telemetry", std::string(1000, 'x')), 0);
  EXPECT_EQ(large->publish("acme/d1/telemetry", std::string(1001, 'x')), -1);
  EXPECT_EQ(large->disconnect_code(), 0x95);
  const auto many = connect(a2_, options5(a2_));
  int accepted = 0;
  while (accepted < 100 && many->publish("acme/d2/telemetry", std::string(1000, 'x')) == 0) ++accepted;
  EXPECT_GE(accepted, 4);
  EXPECT_LT(accepted, 100);
  EXPECT_EQ(many->disconnect_code(), 0x97);
}

TEST_F(PluginLimits, ATenantsTotalCountsAllItsDevicesAndNobodyElses) {
  start_broker("plugin_opt_tenant_publish_messages_per_second 1\nplugin_opt_tenant_publish_messages_burst 4\n");
  const auto first = connect(a1_);
  const auto second = connect(a2_);
  const auto other = connect(b1_);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(first->publish("acme/d1/telemetry", "x"), 0);
  const std::size_t of_second = publish_until_cut(*second, "acme/d2/telemetry");
  EXPECT_LT(of_second, 50U) << "the first one's messages count";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(other->publish("beta/d1/telemetry", "x"), 0);
}

TEST_F(PluginLimits, ConnectionsOfATenantAreCountedAndAPlaceThatIsLeftIsFree) {
  start_broker("plugin_opt_tenant_connections 1\n");
  auto first = connect(a1_);
  ASSERT_EQ(first->connack(), 0);
  EXPECT_EQ(connack_of(&a2_.credential, options5(a2_)), 0x97);
  EXPECT_EQ(connack_of(&a2_.credential, options(a2_)), 3) << "MQTT 3.1.1: server unavailable";
  EXPECT_EQ(connect(b1_)->connack(), 0) << "another tenant has its own count";
  auto again = connect(a1_);
  EXPECT_EQ(again->connack(), 0) << "taking over takes no second place";
  again->disconnect();
  first->close();
  EXPECT_TRUE(eventually([&] { return connect(a2_)->connack() == 0; }));
}

TEST_F(PluginLimits, ConnectsAreLimitedByRate) {
  start_broker("plugin_opt_device_connects_per_minute 1\nplugin_opt_device_connect_burst 2\n");
  EXPECT_EQ(connect(a1_)->connack(), 0);
  EXPECT_EQ(connect(a1_)->connack(), 0);
  EXPECT_EQ(connack_of(&a1_.credential, options5(a1_)), 0x9F);
  EXPECT_EQ(connect(a2_)->connack(), 0);
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "limit.connect_rate"); }));
}

TEST_F(PluginLimits, SubscriptionsHaveAnEnd) {
  start_broker("plugin_opt_device_subscriptions 2\n");
  const auto client = connect(a1_, options5(a1_));
  EXPECT_EQ(client->subscribe("acme/d1/commands/#"), 1);
  EXPECT_EQ(client->subscribe("acme/d1/config/#"), 1);
  EXPECT_GE(client->subscribe("acme/d1/commands/more"), 0x80);
  EXPECT_EQ(client->subscribe("acme/d1/config/#"), 1) << "what it has it may ask for again";
}

TEST_F(PluginLimits, MessagesQueuedForADeviceThatIsAwayHaveAnEnd) {
  edge::PolicyState policy{PolicyId::random(),
                           acme_.state.id,
                           edge::EntityStatus::kActive,
                           {{PolicyAction::kPublish, "${tenant}/news"}, {PolicyAction::kSubscribe, "${tenant}/news"}}};
  acme_.state.policies.fallback = policy.id;
  auto all = everything();
  all.emplace_back(policy);
  write_snapshot(all);
  start_broker("plugin_opt_device_queued_messages 3\n");
  MqttOptions persistent = options5(a1_);
  persistent.clean = false;
  persistent.session_expiry = 3600;
  const auto sender = connect(a2_, options5(a2_));
  std::ptrdiff_t visits = 0;
  const auto leave = [&](MqttClient& client) {
    client.disconnect();
    ++visits;
    const auto is_end = [](const Recorded& r) { return r.kind == RecordKind::kDisconnect && r.principal == "acme/d1"; };
    EXPECT_TRUE(eventually([&] {
      const auto seen = wal_records();
      return std::ranges::count_if(seen, is_end) == visits;
    }));
  };
  {
    const auto client = connect(a1_, persistent);
    ASSERT_EQ(client->subscribe("acme/news"), 1);
    leave(*client);
  }
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 6; ++i) EXPECT_EQ(sender->publish("acme/news", std::to_string(i)), 0);
    const auto client = connect(a1_, persistent);
    EXPECT_TRUE(client->ping()) << "what waited has come before the answer";
    std::string received;
    while (const auto message = client->receive(std::chrono::milliseconds(0))) received += message->payload;
    EXPECT_EQ(received, "012") << "and whoever comes back has all its room again";
    leave(*client);
  }
}

// Set in the registry, changed while devices are connected.
TEST_F(PluginLimits, ATenantsOwnLimitsComeAndGoWhileItsDevicesAreConnected) {
  start_broker();
  const auto other = connect(b1_);
  const auto client = connect(a1_, options5(a1_));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client->publish("acme/d1/telemetry", "x"), 0);

  acme_.state.limits.device.publish_messages_per_second = 1;
  change({acme_.state});
  EXPECT_TRUE(eventually([&] { return client->publish("acme/d1/telemetry", "x") != 0; }));
  EXPECT_EQ(client->disconnect_code(), 0x97);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(other->publish("beta/d1/telemetry", "x"), 0);

  acme_.state.limits = {};
  change({acme_.state});
  EXPECT_TRUE(eventually([&] { return publish_until_cut(*connect(a1_), "acme/d1/telemetry") == 100; }));
}

TEST_F(PluginLimits, ATenantsLimitsStandInTheSnapshotTheBrokerStartsWith) {
  acme_.state.limits.total.connections = 1;
  write_snapshot(everything());
  start_broker();
  const auto first = connect(a1_);
  EXPECT_EQ(first->connack(), 0);
  EXPECT_EQ(connack_of(&a2_.credential, options5(a2_)), 0x97);
  EXPECT_EQ(connect(b1_)->connack(), 0);
}

// A flood of one tenant, four connections at a time that come back whenever they are cut. The other tenant's messages
// are all acknowledged, and what is stored of the flood is what its limit lets through.
TEST_F(PluginLimits, OneTenantsFloodIsHeldToItsLimitWhileAnotherPublishes) {
  start_broker("plugin_opt_tenant_publish_messages_per_second 50\nplugin_opt_tenant_publish_messages_burst 50\n");
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> sent = 0;
  const auto flood = [&](const Device& device, const std::string& topic) {
    while (!stop) {
      MqttOptions with = options5(device);
      MqttClient client(&device.credential, with);
      for (int i = 0; i < 500 && !stop && !client.ended(std::chrono::milliseconds(0)); ++i) {
        client.send_publish(topic, "flood", 1);
        ++sent;
      }
    }
  };
  const auto start = std::chrono::steady_clock::now();
  std::thread first([&] { flood(a1_, "acme/d1/telemetry"); });
  std::thread second([&] { flood(a2_, "acme/d2/telemetry"); });
  const auto calm = connect(b1_);
  int attempts = 0;
  int acknowledged = 0;
  // Within its own limit, until the flood is far over its one.
  while (attempts < 1000 && (attempts < 60 || sent < 400)) {
    ++attempts;
    if (calm->publish("beta/d1/telemetry", std::to_string(attempts)) == 0) ++acknowledged;
    usleep(25'000);
  }
  stop = true;
  first.join();
  second.join();
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(acknowledged, attempts);
  EXPECT_EQ(published("beta/d1"), static_cast<std::size_t>(attempts));
  EXPECT_LE(static_cast<double>(published("acme/d1") + published("acme/d2")), 50 + 50 * (seconds + 1));
  EXPECT_GE(sent.load(), 400U);
}

}  // namespace
}  // namespace muster::test_support
