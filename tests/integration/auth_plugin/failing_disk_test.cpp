// SPDX-License-Identifier: Apache-2.0
//
// A disk that fails under the broker: nobody is told that a message is stored when it is not.
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

// Preloaded into the broker: while the file exists, every fdatasync fails as a dying disk does, or takes its time.
constexpr const char* kShim = R"(
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  if (access(getenv("SHIM_FAIL"), F_OK) == 0) { errno = EIO; return -1; }
  while (access(getenv("SHIM_STALL"), F_OK) == 0) usleep(1000);
  return real(fd);
}
)";

class PluginFailingDisk : public BrokerLab {
 protected:
  void SetUp() override {
    std::ofstream(path("shim.c")) << kShim;
    const ExitStatus built = run({.command = {"cc", "-shared", "-fPIC", "-o", path("shim.so"), path("shim.c"), "-ldl"},
                                  .environment = {},
                                  .output_file = path("cc.log"),
                                  .run_as = "",
                                  .death_signal = SIGKILL});
    ASSERT_TRUE(built.success());
    write_snapshot(everything());
    start_broker(broker_options(),
                 {"LD_PRELOAD=" + path("shim.so"), "SHIM_FAIL=" + path("fail"), "SHIM_STALL=" + path("stall")});
  }
  virtual std::string broker_options() const { return ""; }
  void switch_on(const char* fault) { std::ofstream(path(fault)) << "on"; }
  void switch_off(const char* fault) { std::filesystem::remove(path(fault)); }
};

TEST_F(PluginFailingDisk, FailedSyncCutsPublishersWithoutAnAcknowledgement) {
  const auto client = connect(a1_);
  ASSERT_EQ(client->publish("acme/d1/telemetry", "before"), 0);

  switch_on("fail");
  EXPECT_EQ(client->publish("acme/d1/telemetry", "during"), -1);
  switch_off("fail");

  std::unique_ptr<MqttClient> again;
  EXPECT_TRUE(eventually([&] {
    again = connect(a1_);
    return again->publish("acme/d1/telemetry", "after") == 0;
  }));
  const auto all = wal_records();
  EXPECT_TRUE(std::ranges::any_of(all, [](const Recorded& r) { return r.payload == "before"; }));
  EXPECT_TRUE(std::ranges::any_of(all, [](const Recorded& r) { return r.payload == "after"; }));
}

TEST_F(PluginFailingDisk, SlowDiskHoldsThePublisherAndNobodyElse) {
  const auto publisher = connect(a1_);
  const auto other = connect(b1_);
  ASSERT_EQ(publisher->publish("acme/d1/telemetry", "fast"), 0);

  switch_on("stall");
  publisher->send_publish("acme/d1/telemetry", "slow", 1);
  EXPECT_EQ(publisher->wait_puback(std::chrono::milliseconds(200)), -1);
  EXPECT_TRUE(other->ping());
  EXPECT_EQ(other->publish("beta/d1/telemetry", "unacknowledged by QoS", 0), 0);
  EXPECT_TRUE(other->ping());
  switch_off("stall");

  EXPECT_EQ(publisher->wait_puback(), 0);
}

class PluginFailingDiskWithALimit : public PluginFailingDisk {
 protected:
  std::string broker_options() const override { return "plugin_opt_device_in_flight 2\n"; }
  bool is_hit(int times) const {
    return eventually([&] { return metric("muster_broker_limits_hit_total{reason=\"limit.in_flight\"}") == times; });
  }
};

// While the disk takes its time, as many as the limit says wait for it. What is cut was not acknowledged.
TEST_F(PluginFailingDiskWithALimit, OnlySoManyPublishesWaitForTheDisk) {
  MqttOptions with = options(a1_);
  with.version = 5;
  const auto client = connect(a1_, with);
  const auto old = connect(a2_);  // MQTT 3.1.1
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client->publish("acme/d1/telemetry", "one at a time"), 0);

  switch_on("stall");
  for (int i = 0; i < 2; ++i) client->send_publish("acme/d1/telemetry", "held", 1);
  client->send_publish("acme/d1/telemetry", "nobody waits for it", 0);
  EXPECT_EQ(client->wait_puback(std::chrono::milliseconds(200)), -1);
  EXPECT_FALSE(client->ended(std::chrono::milliseconds(0)));
  client->send_publish("acme/d1/telemetry", "one too many", 1);
  for (int i = 0; i < 3; ++i) old->send_publish("acme/d2/telemetry", "held or too many", 1);
  EXPECT_TRUE(is_hit(2));
  switch_off("stall");

  int acknowledged = 0;
  while (client->wait_puback() == 0) ++acknowledged;
  EXPECT_EQ(acknowledged, 2);
  EXPECT_EQ(client->disconnect_code(), 0x93);
  acknowledged = 0;
  while (old->wait_puback() == 0) ++acknowledged;
  EXPECT_LE(acknowledged, 2);
  const auto all = wal_records();
  EXPECT_FALSE(std::ranges::any_of(all, [](const Recorded& r) { return r.payload == "one too many"; }));
  EXPECT_EQ(std::ranges::count_if(all, [](const Recorded& r) { return r.payload == "held or too many"; }), 2);
  EXPECT_EQ(connect(a1_)->publish("acme/d1/telemetry", "again"), 0);
}

TEST_F(PluginFailingDisk, HoldIsCutAfterHalfTheKeepalive) {
  MqttOptions with = options(a1_);
  with.keepalive = 4;
  const auto client = connect(a1_, with);
  ASSERT_EQ(client->publish("acme/d1/telemetry", "fast"), 0);

  switch_on("stall");
  client->send_publish("acme/d1/telemetry", "never acknowledged", 1);
  EXPECT_EQ(client->wait_puback(), -1);
  EXPECT_TRUE(client->ended(std::chrono::milliseconds(0)));
  switch_off("stall");

  EXPECT_TRUE(eventually([&] { return metric("muster_broker_hold_cuts_total{reason=\"cut.hold_too_long\"}") == 1; }));
}

TEST_F(PluginFailingDisk, ShutdownWaitsForTheDiskAndThenAcknowledges) {
  const auto client = connect(a1_);
  ASSERT_EQ(client->publish("acme/d1/telemetry", "fast"), 0);
  switch_on("stall");
  client->send_publish("acme/d1/telemetry", "held", 1);
  EXPECT_EQ(client->wait_puback(std::chrono::milliseconds(100)), -1);

  broker_.send(SIGTERM);
  EXPECT_TRUE(eventually([&] { return log_says("terminating"); }));
  switch_off("stall");

  EXPECT_EQ(client->wait_puback(), 0);
}

}  // namespace
}  // namespace muster::test_support
