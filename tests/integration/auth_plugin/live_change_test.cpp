// SPDX-License-Identifier: Apache-2.0
//
// What happens to connected devices when the registry, the broker's operator or the disk changes its mind.
#include <atomic>
#include <thread>

#include "core/file.h"
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

class PluginLiveChange : public BrokerLab {
 protected:
  void SetUp() override { write_snapshot(everything()); }
  MqttOptions options5(const Device& device) const {
    MqttOptions with = options(device);
    with.version = 5;
    return with;
  }
  bool broker_lives() { return broker_.running() && connect(b1_)->connack() == 0; }
  long resident_kilobytes() {
    std::ifstream status("/proc/" + std::to_string(broker_.pid()) + "/status");
    std::string word;
    while (status >> word) {
      long value = 0;
      if (word == "VmRSS:" && status >> value) return value;
    }
    return -1;
  }
};

TEST_F(PluginLiveChange, RevocationCutsAConnectedDevice) {
  start_broker();
  const auto revoked = connect(a1_, options5(a1_));
  const auto other = connect(a2_);
  ASSERT_EQ(revoked->connack(), 0);

  a1_.listed.status = edge::EntityStatus::kGone;
  const auto start = std::chrono::steady_clock::now();
  change({a1_.listed});

  EXPECT_TRUE(revoked->ended());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
  EXPECT_EQ(revoked->disconnect_code(), 0x98);
  EXPECT_EQ(connack_of(&a1_.credential, options(a1_)), 5);
  EXPECT_TRUE(other->ping());
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "certificate.revoked"); }));
}

TEST_F(PluginLiveChange, SuspendedTenantLosesAllItsDevices) {
  start_broker();
  const auto first = connect(a1_);
  const auto second = connect(a2_);
  const auto other = connect(b1_);
  ASSERT_EQ(second->connack(), 0);

  acme_.state.status = edge::EntityStatus::kSuspended;
  change({acme_.state});

  EXPECT_TRUE(first->ended());
  EXPECT_TRUE(second->ended());
  EXPECT_TRUE(other->ping());
}

TEST_F(PluginLiveChange, SessionIsCutWhenItsCertificateExpires) {
  a1_ = make_device(acme_, "d1", 6);
  change({a1_.listed, a1_.state});
  start_broker();
  const auto client = connect(a1_);
  ASSERT_EQ(client->connack(), 0) << "the machine was too slow for a certificate of 6 s";

  EXPECT_TRUE(client->ended(std::chrono::seconds(12)));
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "certificate.expired"); }));
}

TEST_F(PluginLiveChange, PolicyChangeEndsStaleSubscriptions) {
  edge::PolicyState policy{PolicyId::random(),
                           acme_.state.id,
                           edge::EntityStatus::kActive,
                           {{PolicyAction::kSubscribe, "${tenant}/news/#"}}};
  a2_.state.policy_id = policy.id;
  change({policy, a2_.state});
  start_broker();
  const auto reader = connect(a2_);
  ASSERT_EQ(reader->subscribe("acme/news/#"), 1);
  const auto untouched = connect(a1_);

  policy.rules = {{PolicyAction::kSubscribe, "${tenant}/${device}/#"}};
  change({policy});

  EXPECT_TRUE(reader->ended());
  EXPECT_TRUE(untouched->ping());
  const auto again = connect(a2_);
  EXPECT_EQ(again->subscribe("acme/news/#"), 0x80);
  EXPECT_EQ(again->subscribe("acme/d2/#"), 1);
}

TEST_F(PluginLiveChange, ThirtyReloadsUnderLoadBreakNothing) {
  start_broker();
  std::vector<std::unique_ptr<MqttClient>> clients;
  for (const Device* device : {&a1_, &a2_, &b1_, &b2_}) clients.push_back(connect(*device));
  std::atomic<bool> stop{false};
  std::atomic<int> lost{0};
  std::atomic<int> acknowledged{0};
  std::vector<std::jthread> publishers;
  const Device* devices[] = {&a1_, &a2_, &b1_, &b2_};
  for (std::size_t i = 0; i < clients.size(); ++i) {
    publishers.emplace_back([&, i] {
      while (!stop && lost == 0) {
        if (clients[i]->publish(devices[i]->principal + "/telemetry", std::string(200, 'x')) != 0) lost += 1;
        acknowledged += 1;
      }
    });
  }

  for (int i = 0; i < 30; ++i) {
    broker_.send(SIGHUP);
    const int seen = acknowledged;
    EXPECT_TRUE(eventually([&] { return acknowledged >= seen + 20 || lost > 0; }));
  }
  stop = true;
  publishers.clear();

  EXPECT_EQ(lost, 0);
  EXPECT_EQ(clients[0]->publish("acme/d1/telemetry", "after"), 0);
}

TEST_F(PluginLiveChange, TornSnapshotIsToldAndRevocationsGoOnOverTheLastGoodOne) {
  start_broker();
  const auto live = connect(a1_);
  ASSERT_EQ(live->connack(), 0);
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_failed") == 0; }));

  ASSERT_TRUE(write_file_durably(path("snapshot/base.snapshot"), Bytes(1000, 7), 0644).ok());
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_failed") == 1; }));
  EXPECT_EQ(metric("muster_broker_snapshot_refusals"), 1);
  EXPECT_TRUE(eventually([&] { return log_says("snapshot.corrupt"); }));
  EXPECT_EQ(live->publish("acme/d1/telemetry", "still here"), 0);
  EXPECT_EQ(connack_of(&a2_.credential, options(a2_)), 0);

  a2_.listed.status = edge::EntityStatus::kGone;
  change({a2_.listed});
  EXPECT_TRUE(eventually([&] { return connack_of(&a2_.credential, options(a2_)) != 0; }));
  EXPECT_EQ(live->publish("acme/d1/telemetry", "and here"), 0);

  write_snapshot(everything());
  EXPECT_TRUE(eventually([&] { return metric("muster_broker_snapshot_failed") == 0; }));
}

// Two use-after-frees of mosquitto 2.0.11: kicking, or refusing at SIGHUP, an offline MQTT 5 session that expires.
TEST_F(PluginLiveChange, OfflineSessionsAreNeitherKickedNorRefusedAtReload) {
  start_broker();
  MqttOptions with = options5(a1_);
  with.clean = false;
  with.session_expiry = 3;
  connect(a1_, with)->disconnect();
  ASSERT_TRUE(eventually([&] { return recorded(RecordKind::kDisconnect, "acme/d1"); }));

  a1_.listed.status = edge::EntityStatus::kGone;
  a1_.state.status = edge::EntityStatus::kGone;
  change({a1_.listed, a1_.state});
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_number") == 2; }));
  for (int i = 0; i < 3; ++i) {
    broker_.send(SIGHUP);
    EXPECT_TRUE(broker_lives());
  }

  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);  // the expiry list is walked
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(broker_lives());
  EXPECT_NE(connack_of(&a1_.credential, options(a1_)), 0);
}

TEST_F(PluginLiveChange, SlowReaderTakesNoMemory) {
  edge::PolicyState policy{
      PolicyId::random(),
      acme_.state.id,
      edge::EntityStatus::kActive,
      {{PolicyAction::kSubscribe, "${tenant}/${device}/#"}, {PolicyAction::kPublish, "${tenant}/${device}/#"}}};
  a1_.state.policy_id = policy.id;
  a2_.state.policy_id = policy.id;
  PolicyActions reading;
  reading.add(PolicyAction::kSubscribe);
  a2_.state.grants = {{a1_.state.id, "d1", {reading, "#"}}};
  change({policy, a1_.state, a2_.state});
  start_broker();
  MqttOptions slow = options(a2_);
  slow.receive_buffer = 4096;
  const auto reader = connect(a2_, slow);
  ASSERT_EQ(reader->subscribe("acme/d1/#", 0), 0);
  const auto writer = connect(a1_);
  ASSERT_EQ(writer->publish("acme/d1/telemetry", "x"), 0);
  const long before = resident_kilobytes();

  for (int i = 0; i < 30000; ++i) {
    writer->send_publish("acme/d1/telemetry", std::string(2000, 'x'), 0);
    if (i % 3000 == 0) reader->send_publish("acme/d2/telemetry", "ack me", 1);  // opens a hold on the reader's side
  }
  ASSERT_EQ(writer->publish("acme/d1/telemetry", "last"), 0);

  EXPECT_LT(resident_kilobytes() - before, 80 * 1024);
  EXPECT_TRUE(broker_lives());
}

TEST_F(PluginLiveChange, ShutdownDeliversAcknowledgementsOfWhatIsDurable) {
  start_broker();
  const auto client = connect(a1_);
  ASSERT_EQ(client->connack(), 0);
  constexpr int kMessages = 20;
  for (int i = 0; i < kMessages; ++i) client->send_publish("acme/d1/telemetry", std::to_string(i), 1);
  ASSERT_EQ(client->wait_puback(), 0);

  broker_.send(SIGTERM);
  int acknowledged = 1;
  while (client->wait_puback() == 0) ++acknowledged;
  broker_.wait(std::chrono::seconds(10));

  const auto all = wal_records();
  const auto stored = std::ranges::count_if(all, [](const Recorded& r) { return r.kind == RecordKind::kPublish; });
  EXPECT_EQ(acknowledged, stored);
}

}  // namespace
}  // namespace muster::test_support
