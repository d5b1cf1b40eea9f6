// SPDX-License-Identifier: Apache-2.0
//
// What a connected device may touch, over two tenants of two devices each.
#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

constexpr int kDenied = 0x87;

class PluginTopics : public BrokerLab {
 protected:
  void SetUp() override {
    write_snapshot(everything());
    start_broker();
  }
  static edge::DeviceGrant grant_on(const Device& device, std::initializer_list<PolicyAction> list,
                                    std::string filter) {
    PolicyActions actions;
    for (const PolicyAction action : list) actions.add(action);
    return {device.state.id, device.state.name, {actions, std::move(filter)}};
  }
  std::unique_ptr<MqttClient> connect5(const Device& device) {
    MqttOptions with = options(device);
    with.version = 5;
    return connect(device, with);
  }
};

TEST_F(PluginTopics, DevicesPublishUnderTheirOwnNameOnly) {
  const Device* devices[] = {&a1_, &a2_, &b1_, &b2_};
  for (const Device* who : devices) {
    const auto client = connect5(*who);
    ASSERT_EQ(client->connack(), 0);
    for (const Device* whose : devices) {
      const int wanted = who == whose ? 0 : kDenied;
      EXPECT_EQ(client->publish(whose->principal + "/telemetry/t", "x"), wanted) << who->principal << whose->principal;
      EXPECT_EQ(client->publish(whose->principal + "/state", "x", 1, true), wanted);
      EXPECT_EQ(client->publish(whose->principal + "/commands/c", "x"), kDenied);
    }
    for (const char* topic : {"telemetry", "acme", "$SYS/broker/connection/x/state", "$CONTROL/dynamic-security/v1"}) {
      EXPECT_EQ(client->publish(topic, "x"), kDenied) << topic;
    }
  }
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "acl.not_in_policy"); }));
  EXPECT_TRUE(eventually(
      [&] { return metric("muster_broker_acl_decisions_total{access=\"publish\",verdict=\"denied\"}") > 0; }));
}

TEST_F(PluginTopics, DevicesSubscribeToTheirOwnNameOnly) {
  const Device* devices[] = {&a1_, &a2_, &b1_, &b2_};
  for (const Device* who : devices) {
    const auto client = connect(*who);
    ASSERT_EQ(client->connack(), 0);
    for (const Device* whose : devices) {
      EXPECT_EQ(client->subscribe(whose->principal + "/commands/#"), who == whose ? 1 : 0x80);
      EXPECT_EQ(client->subscribe(whose->principal + "/telemetry/#"), 0x80);
      EXPECT_EQ(client->subscribe("$share/x/" + whose->principal + "/commands/#"), 0x80);
    }
    for (const char* filter : {"#", "+/#", "+/+/commands/#", "acme/#", "beta/+/commands/#", "$SYS/#", "$share/x/#",
                               "$share/x/$SYS/#", "$CONTROL/#"}) {
      EXPECT_EQ(client->subscribe(filter), 0x80) << filter;
    }
  }
}

TEST_F(PluginTopics, PolicyOpensExactlyWhatItNames) {
  edge::PolicyState policy{PolicyId::random(),
                           acme_.state.id,
                           edge::EntityStatus::kActive,
                           {{PolicyAction::kPublish, "${tenant}/news/#", 0, 10},
                            {PolicyAction::kSubscribe, "${tenant}/news/+"},
                            {PolicyAction::kReceive, "${tenant}/news/heard"},
                            {PolicyAction::kRetain, "${tenant}/news/kept"},
                            {PolicyAction::kSubscribe, "${tenant}/#"}}};  // was accepted by an earlier version
  acme_.state.policies.fallback = policy.id;
  change({policy, acme_.state});
  const auto sender = connect5(a1_);
  const auto reader = connect(a2_);
  ASSERT_TRUE(eventually([&] { return reader->subscribe("acme/news/+", 0) == 0; }));

  EXPECT_EQ(reader->subscribe("acme/d1/#"), 0x80);
  EXPECT_EQ(reader->subscribe("acme/news/#"), 0x80);
  EXPECT_EQ(sender->publish("acme/news/heard", "x", 1), kDenied) << "beyond max_qos";
  sender->send_publish("acme/news/silent", "1", 0);
  sender->send_publish("acme/news/heard", std::string(11, 'x'), 0);  // beyond max_payload
  sender->send_publish("acme/news/heard", "fits", 0);
  EXPECT_EQ(reader->receive()->payload, "fits");
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "acl.qos_not_allowed"); }));
  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "acl.payload_too_large"); }));
  EXPECT_EQ(sender->publish("acme/d1/telemetry", "x"), kDenied) << "the tenant's policy took the built-in one's place";
}

TEST_F(PluginTopics, GrantOpensAnotherDevicesTopicsUntilItIsRevoked) {
  a2_.state.grants = {grant_on(a1_, {PolicyAction::kSubscribe}, "telemetry/#"),
                      grant_on(a1_, {PolicyAction::kPublish}, "commands/#")};
  change({a2_.state});
  const auto gateway = connect(a2_);
  ASSERT_TRUE(eventually([&] { return gateway->subscribe("acme/d1/telemetry/#") == 1; }));
  const auto device = connect(a1_);
  ASSERT_EQ(device->subscribe("acme/d1/commands/#"), 1);
  const auto stranger = connect(b1_);

  for (const char* filter :
       {"#", "acme/#", "acme/+/telemetry/#", "acme/d1/#", "acme/d1/state", "beta/d1/telemetry/#"}) {
    EXPECT_EQ(gateway->subscribe(filter), 0x80) << filter;
  }
  EXPECT_EQ(stranger->publish("beta/d1/telemetry", "beta's"), 0);
  EXPECT_EQ(device->publish("acme/d1/telemetry", "acme's"), 0);
  EXPECT_EQ(gateway->receive()->payload, "acme's");
  EXPECT_EQ(gateway->publish("acme/d1/commands/go", "go"), 0);
  EXPECT_EQ(device->receive()->payload, "go");

  a2_.state.grants.clear();
  change({a2_.state});
  EXPECT_TRUE(gateway->ended()) << "a subscription that nothing allows any more";
  const auto again = connect5(a2_);
  EXPECT_EQ(again->publish("acme/d1/commands/go", "go"), kDenied);
  EXPECT_TRUE(device->ping());
}

TEST_F(PluginTopics, GrantRestsWhileTheOtherDeviceIsSuspendedAndEndsWithIt) {
  a2_.state.grants = {grant_on(a1_, {PolicyAction::kPublish}, "#")};
  change({a2_.state});
  const auto gateway = connect5(a2_);
  const auto code = [&] { return gateway->publish("acme/d1/commands/go", "go"); };
  ASSERT_TRUE(eventually([&] { return code() == 0; }));

  a1_.state.status = edge::EntityStatus::kSuspended;
  change({a1_.state});
  EXPECT_TRUE(eventually([&] { return code() == kDenied; }));
  a1_.state.status = edge::EntityStatus::kActive;
  change({a1_.state});
  EXPECT_TRUE(eventually([&] { return code() == 0; }));
  a1_.state.status = edge::EntityStatus::kGone;
  const Device namesake = make_device(acme_, "d1");
  change({a1_.state, namesake.state, namesake.listed});
  EXPECT_TRUE(eventually([&] { return code() == kDenied; })) << "the name came back, the device did not";
}

TEST_F(PluginTopics, WillsObeyTheSameRulesAndAreRecorded) {
  MqttOptions good = options(a1_);
  good.will_topic = "acme/d1/state";
  connect(a1_, good)->close();
  MqttOptions bad = options(a2_);
  bad.will_topic = "acme/d1/state";
  connect(a2_, bad)->close();
  MqttOptions control = options(b1_);
  control.will_topic = "$CONTROL/x";
  const auto commander = connect(b1_, control);
  const bool let_in = commander->connack() == 0;  // mosquitto 2.1 refuses such a will itself
  commander->close();

  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d2", "acl.not_in_policy"); }));
  EXPECT_TRUE(!let_in || eventually([&] { return recorded(RecordKind::kDenial, "beta/d1", "acl.dollar_topic"); }));
  EXPECT_TRUE(recorded(RecordKind::kWill, "acme/d1"));
  EXPECT_FALSE(recorded(RecordKind::kWill, "acme/d2"));
  EXPECT_FALSE(recorded(RecordKind::kPublish, "acme/d1"));
}

TEST_F(PluginTopics, WillAtTakeoverIsRecordedOnce) {
  MqttOptions with = options(a1_);
  with.will_topic = "acme/d1/state";
  const auto first = connect(a1_, with);
  const auto second = connect(a1_);
  ASSERT_EQ(second->connack(), 0);

  EXPECT_TRUE(first->ended());
  EXPECT_EQ(second->publish("acme/d1/telemetry", "x"), 0);
  const auto all = wal_records();
  EXPECT_LE(std::ranges::count_if(all, [](const Recorded& r) { return r.kind == RecordKind::kWill; }), 1);
  EXPECT_EQ(std::ranges::count_if(all, [](const Recorded& r) { return r.kind == RecordKind::kPublish; }), 1);
}

TEST_F(PluginTopics, RetainedMessagesVanishWithTheirSender) {
  edge::PolicyState policy{
      PolicyId::random(),
      acme_.state.id,
      edge::EntityStatus::kActive,
      {{PolicyAction::kPublish, "${tenant}/board"}, {PolicyAction::kSubscribe, "${tenant}/board"}}};
  acme_.state.policies.fallback = policy.id;
  change({policy, acme_.state});
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_number") == 2; }));
  ASSERT_EQ(connect(a1_)->publish("acme/board", "kept", 1, true), 0);
  {
    const auto reader = connect(a2_);
    ASSERT_TRUE(eventually([&] { return reader->subscribe("acme/board") == 1; }));
    ASSERT_EQ(reader->receive()->payload, "kept");
  }

  a1_.state.status = edge::EntityStatus::kGone;
  change({a1_.state});
  const auto reader = connect(a2_);
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_number") == 3; }));
  ASSERT_EQ(reader->subscribe("acme/board"), 1);
  EXPECT_FALSE(reader->receive(std::chrono::milliseconds(300)));

  // The same name again, with another id: nothing old speaks for it.
  a1_ = make_device(acme_, "d1");
  change({a1_.state, a1_.listed});
  ASSERT_TRUE(eventually([&] { return connect(a1_)->connack() == 0; }));
  ASSERT_EQ(reader->subscribe("acme/board"), 1);
  EXPECT_FALSE(reader->receive(std::chrono::milliseconds(300)));
}

TEST_F(PluginTopics, QueuedMessagesDoNotReachADeviceMadeAgainUnderTheName) {
  a2_.state.grants = {grant_on(a1_, {PolicyAction::kPublish}, "commands/#")};
  change({a2_.state});
  MqttOptions persistent = options(a1_);
  persistent.clean = false;
  {
    const auto old = connect(a1_, persistent);
    ASSERT_EQ(old->subscribe("acme/d1/commands/#"), 1);
  }
  const auto sender = connect(a2_);
  ASSERT_TRUE(eventually([&] { return metric("muster_broker_snapshot_number") == 2; }));
  ASSERT_EQ(sender->publish("acme/d1/commands/a", "for the same id"), 0);
  {
    const auto same = connect(a1_, persistent);
    EXPECT_TRUE(same->session_present());
    EXPECT_EQ(same->receive()->payload, "for the same id");
  }
  ASSERT_EQ(sender->publish("acme/d1/commands/a", "for the old id"), 0);
  Device again = make_device(acme_, "d1");
  a1_.state.status = edge::EntityStatus::kGone;
  change({a1_.state, again.state, again.listed});

  std::unique_ptr<MqttClient> successor;
  ASSERT_TRUE(eventually([&] {
    successor = connect(again, persistent);
    return successor->connack() == 0;
  }));
  EXPECT_FALSE(successor->receive(std::chrono::milliseconds(300)));
}

}  // namespace
}  // namespace muster::test_support
