// SPDX-License-Identifier: Apache-2.0
//
// A device with a good certificate tries what MQTT offers to get at the topics of others: aliases, shared
// subscriptions, the broker's own topics, text that is none, sessions and wills that outlive their right.
#include <iterator>

#include "integration/auth_plugin/broker_lab.h"

namespace muster::test_support {
namespace {

constexpr int kDenied = 0x87;

class PluginHostilePackets : public BrokerLab {
 protected:
  void SetUp() override {
    write_snapshot(everything());
    start_broker();
  }
  MqttOptions options5(const Device& device) const {
    MqttOptions with = options(device);
    with.version = 5;
    return with;
  }
  // Listens to all that is its own.
  std::unique_ptr<MqttClient> victim(const Device& device) {
    auto client = connect(device, options5(device));
    EXPECT_EQ(client->subscribe(device.principal + "/commands/#"), 1);
    EXPECT_EQ(client->subscribe(device.principal + "/config/#"), 1);
    return client;
  }
  static bool is_untouched(MqttClient& client) {
    return client.ping() && !client.receive(std::chrono::milliseconds(0));
  }
  // What was published or left as a will, and recorded: what got through.
  std::vector<std::string> topics_through(const std::string& principal) const {
    std::vector<std::string> topics;
    for (const Recorded& record : wal_records()) {
      const bool message = record.kind == RecordKind::kPublish || record.kind == RecordKind::kWill;
      if (message && record.principal == principal) topics.push_back(record.topic);
    }
    return topics;
  }
  bool is_held(std::uint64_t number) {
    return eventually([&] { return metric("muster_broker_snapshot_number") == static_cast<double>(number); });
  }
};

std::string alias(std::uint16_t number) { return "\x23" + MqttClient::id(number); }

TEST_F(PluginHostilePackets, AnAliasCarriesNoTopicThatIsDenied) {
  const auto other = victim(b1_);
  {
    const auto attacker = connect(a1_, options5(a1_));
    EXPECT_EQ(attacker->publish_with(alias(1), "beta/d1/commands/x", "evil"), kDenied);
    EXPECT_EQ(attacker->publish_with(alias(1), "", "evil"), kDenied);
    EXPECT_EQ(attacker->publish_with(alias(1), "acme/d1/telemetry/a", "good"), 0);
    EXPECT_EQ(attacker->publish_with(alias(1), "", "good"), 0);
    EXPECT_EQ(attacker->publish_with(alias(1), "beta/d1/config/x", "evil"), kDenied);
  }
  for (const std::string& properties : {alias(2), alias(0), alias(0xffff)}) {  // not set, impossible, beyond the limit
    const auto attacker = connect(a1_, options5(a1_));
    EXPECT_NE(attacker->publish_with(properties, "", "evil"), 0);
  }
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_EQ(topics_through("acme/d1"), (std::vector<std::string>(2, "acme/d1/telemetry/a")));
}

TEST_F(PluginHostilePackets, NoShareAndNoDollarTopicLeadsToOthers) {
  const auto other = victim(b1_);
  for (const char* filter : {"$share/g/beta/d1/commands/#",
                             "$share/g/acme/d2/commands/#",
                             "$share/g/acme/d1/commands/#",
                             "$share",
                             "$share/",
                             "$share/g",
                             "$share/g/",
                             "$share//acme/d1/commands/#",
                             "$share/+/acme/d1/commands/#",
                             "$share/#",
                             "$share/g/$share/g/acme/d1/commands/#",
                             "$share/g/$SYS/#",
                             "$share/g/#",
                             "$SHARE/g/beta/d1/commands/#",
                             "$queue/beta/d1/commands/#",
                             "$SYS",
                             "$SYS/broker/clients/+",
                             "$CONTROL/dynamic-security/v1/response",
                             "$",
                             "$/x",
                             "$acme/d1/commands/#",
                             "/beta/d1/commands/#",
                             "//#",
                             "+",
                             "+/+/+/#",
                             "+/d1/commands/#"}) {
    const auto attacker = connect(a1_, options5(a1_));
    const int code = attacker->subscribe(filter);
    EXPECT_TRUE(code == -1 || code >= 0x80) << filter << " " << code;
  }
  for (const char* topic : {"$share/g/beta/d1/commands/x", "$SYS/broker/version", "$CONTROL/dynamic-security/v1",
                            "$queue/beta/d1/commands/x", "$", "/beta/d1/commands/x"}) {
    for (const bool retain : {false, true}) {
      const auto attacker = connect(a1_, options5(a1_));
      EXPECT_NE(attacker->publish(topic, "evil", 1, retain), 0) << topic;
    }
    MqttOptions with = options5(a1_);
    with.will_topic = topic;
    connect(a1_, with)->close();
  }
  const auto again = connect(a1_, options5(a1_));  // after the last will
  EXPECT_EQ(again->connack(), 0);
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_TRUE(topics_through("acme/d1").empty());
}

TEST_F(PluginHostilePackets, SubscriptionIdentifiersOpenNothing) {
  const auto attacker = connect(a1_, options5(a1_));
  EXPECT_EQ(attacker->subscribe_with("\x0b\x01", "beta/d1/commands/#"), kDenied);
  EXPECT_EQ(attacker->subscribe_with("\x0b\x01", "acme/d1/commands/#"), 1);
  EXPECT_EQ(attacker->subscribe_with("\x0b\x01", "#"), kDenied);
  const std::string zero = {'\x0b', '\0'};  // [MQTT5 3.8.2.1.2]
  EXPECT_EQ(connect(a2_, options5(a2_))->subscribe_with(zero, "beta/d1/commands/#"), -1);
}

// Whoever answers there is asked for the right to it like everybody.
TEST_F(PluginHostilePackets, AResponseTopicIsNoWayIntoAnotherTenant) {
  PolicyActions publishing;
  publishing.add(PolicyAction::kPublish);
  a1_.state.grants = {{a2_.state.id, a2_.state.name, {publishing, "commands/#"}}};
  change({a1_.state});
  const auto other = victim(b1_);
  const auto deputy = victim(a2_);
  const auto attacker = connect(a1_, options5(a1_));
  ASSERT_TRUE(is_held(2));
  const std::string there = "beta/d1/commands/x";
  ASSERT_EQ(attacker->publish_with("\x08" + MqttClient::text(there), "acme/d2/commands/x", "answer there"), 0);
  ASSERT_TRUE(deputy->receive());
  EXPECT_EQ(deputy->publish(there, "answer"), kDenied);
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_TRUE(topics_through("acme/d2").empty());
}

TEST_F(PluginHostilePackets, WhatIsNoTextOrBeyondOurLimitsGoesNowhere) {
  const auto other = victim(b1_);
  const std::string own = "acme/d1/telemetry/";
  std::string deep = own;
  for (int i = 0; i < 40; ++i) deep += "a/";
  std::string abyss = own;
  for (int i = 0; i < 30'000; ++i) abyss += "/";
  const std::string bad[] = {own + std::string("a\0b", 3),  // U+0000
                             own + "\xc0\xaf",              // '/' in two octets
                             own + "\xe0\x80\xaf",          // in three
                             own + "\xed\xa0\x80",          // half of a surrogate pair
                             own + "\xf4\x90\x80\x80",      // beyond U+10FFFF
                             own + "\xe2\x82",              // cut off
                             own + "\xff",
                             own + "\x01",
                             own + "\x7f",
                             deep,
                             abyss,
                             own + std::string(1100, 'a'),
                             own + std::string(60'000, 'a')};
  for (std::size_t i = 0; i < std::size(bad); ++i) {
    EXPECT_NE(connect(a1_, options5(a1_))->publish(bad[i], "x"), 0) << i;
    connect(a1_)->send_publish(bad[i], "x", 0);
    const int code = connect(a1_)->subscribe(bad[i]);
    EXPECT_TRUE(code == -1 || code == 0x80) << i << " " << code;
    MqttOptions with = options(a1_);
    with.will_topic = bad[i];
    connect(a1_, with)->close();
  }
  EXPECT_EQ(connect(a1_)->connack(), 0);
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_TRUE(topics_through("acme/d1").empty());
}

// Good UTF-8 that looks like a name or a path to one.
TEST_F(PluginHostilePackets, ATopicIsComparedOctetByOctet) {
  const auto other = victim(a2_);
  const auto attacker = connect(a1_, options5(a1_));
  for (const char* topic :
       {"\xef\xbb\xbf"
        "acme/d1/telemetry/x",  // a byte order mark
        "acme/\xef\xbb\xbf"
        "d1/telemetry/x",
        "acme/d1\xe2\x80\x8b/telemetry/x",  // a space without width
        "acme/d1 /telemetry/x", "ACME/d1/telemetry/x", "acme/D1/telemetry/x", "acme//d1/telemetry/x",
        "acme/d1//telemetry/x", "/acme/d1/telemetry/x", "acme/d1/./telemetry/x", "acme/d1/../d2/commands/x",
        "acme/d1%2ftelemetry/x", "acme/d1\\telemetry/x", "acme/d1telemetry/x", "acme/d1", "acme", "acme/", "/"}) {
    EXPECT_EQ(attacker->publish(topic, "x"), kDenied) << topic;
    EXPECT_EQ(attacker->subscribe(topic), kDenied) << topic;
  }
  EXPECT_EQ(attacker->publish("acme/d1/telemetry/\xef\xbb\xbf", "x"), 0) << "in a level of its own it is a character";
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_EQ(topics_through("acme/d1").size(), 1U);
}

TEST_F(PluginHostilePackets, NobodyTakesAnothersClientIdOrUsername) {
  const auto other = victim(a2_);
  for (const std::string& id : {a2_.principal, a2_.principal + std::string(1, '\0'), a2_.principal + " ",
                                "\xef\xbb\xbf" + a2_.principal, std::string("acme/D2"), std::string("d2")}) {
    for (const int version : {4, 5}) {
      MqttOptions with = options(a1_);
      with.version = version;
      with.client_id = id;
      EXPECT_NE(connack_of(&a1_.credential, with), 0) << id;
      with.clean = false;
      EXPECT_NE(connack_of(&a1_.credential, with), 0) << id;
    }
  }
  MqttOptions named = options5(a1_);
  named.username = a2_.principal;
  const auto attacker = connect(a1_, named);
  if (attacker->connack() == 0) {  // the name was replaced by its own
    EXPECT_EQ(attacker->publish("acme/d2/telemetry/x", "evil"), kDenied);
    EXPECT_EQ(attacker->subscribe("acme/d2/commands/#"), kDenied);
    EXPECT_EQ(attacker->publish("acme/d1/telemetry/x", "own"), 0);
  }
  EXPECT_TRUE(is_untouched(*other));
  EXPECT_TRUE(topics_through("acme/d2").empty());
}

TEST_F(PluginHostilePackets, AWillIsDecidedByThePolicyOfTheMomentInWhichItIsSent) {
  MqttOptions with = options5(a1_);
  with.will_topic = "acme/d1/state/gone";
  with.will_retain = true;
  const auto device = connect(a1_, with);
  ASSERT_EQ(device->connack(), 0);
  const edge::PolicyState policy{PolicyId::random(),
                                 acme_.state.id,
                                 edge::EntityStatus::kActive,
                                 {{PolicyAction::kPublish, "${tenant}/${device}/telemetry/#"}}};
  const edge::PolicyState reading{
      PolicyId::random(), acme_.state.id, edge::EntityStatus::kActive, {{PolicyAction::kSubscribe, "${tenant}/d1/#"}}};
  a1_.state.policy_id = policy.id;
  a2_.state.policy_id = reading.id;
  change({policy, reading, a1_.state, a2_.state});
  ASSERT_TRUE(is_held(2));
  ASSERT_TRUE(device->ping()) << "nothing that it uses was taken away";
  const auto reader = connect(a2_, options5(a2_));
  ASSERT_EQ(reader->subscribe("acme/d1/#"), 1);
  device->close();

  EXPECT_TRUE(eventually([&] { return recorded(RecordKind::kDenial, "acme/d1", "acl.not_in_policy"); }));
  EXPECT_TRUE(is_untouched(*reader));
  EXPECT_FALSE(recorded(RecordKind::kWill, "acme/d1"));
  ASSERT_EQ(reader->subscribe("acme/d1/state/#"), 1);
  EXPECT_TRUE(is_untouched(*reader)) << "nor was it kept";
}

TEST_F(PluginHostilePackets, ARetainedMessageRestsWhileItsSenderMayNotSendIt) {
  edge::PolicyState board{PolicyId::random(),
                          acme_.state.id,
                          edge::EntityStatus::kActive,
                          {{PolicyAction::kPublish, "${tenant}/board"}, {PolicyAction::kSubscribe, "${tenant}/board"}}};
  edge::PolicyState mute = board;
  mute.id = PolicyId::random();
  mute.rules.erase(mute.rules.begin());
  acme_.state.policies.fallback = board.id;
  change({board, mute, acme_.state});
  ASSERT_TRUE(is_held(2));
  ASSERT_EQ(connect(a1_)->publish("acme/board", "kept", 1, true), 0);
  const auto reader = connect(a2_, options5(a2_));
  ASSERT_EQ(reader->subscribe("acme/board"), 1);
  ASSERT_EQ(reader->receive()->payload, "kept");

  a1_.state.policy_id = mute.id;
  change({a1_.state});
  ASSERT_TRUE(is_held(3));
  ASSERT_EQ(reader->subscribe("acme/board"), 1);
  EXPECT_TRUE(is_untouched(*reader));
  a1_.state.policy_id = {};
  change({a1_.state});
  ASSERT_TRUE(is_held(4));
  ASSERT_EQ(reader->subscribe("acme/board"), 1);
  EXPECT_EQ(reader->receive()->payload, "kept");
}

// The broker keeps the session under the name; what it subscribed to is not its successor's right.
TEST_F(PluginHostilePackets, SubscriptionsOfAPredecessorBringNothing) {
  PolicyActions reading;
  reading.add(PolicyAction::kSubscribe);
  a1_.state.grants = {{a2_.state.id, a2_.state.name, {reading, "telemetry/#"}}};
  change({a1_.state});
  ASSERT_TRUE(is_held(2));
  MqttOptions persistent = options5(a1_);
  persistent.clean = false;
  persistent.session_expiry = 3600;
  {
    const auto old = connect(a1_, persistent);
    ASSERT_EQ(old->subscribe("acme/d2/telemetry/#"), 1);
  }
  a1_.state.status = edge::EntityStatus::kGone;
  const Device again = make_device(acme_, "d1");
  change({a1_.state, again.state, again.listed});
  ASSERT_TRUE(is_held(3));
  const auto successor = connect(again, persistent);
  ASSERT_EQ(successor->connack(), 0);
  ASSERT_TRUE(successor->session_present()) << "or there is nothing to try";

  const auto sender = connect(a2_, options5(a2_));
  ASSERT_EQ(sender->publish("acme/d2/telemetry/x", "not for the successor"), 0);
  EXPECT_TRUE(is_untouched(*successor));
  EXPECT_EQ(successor->subscribe("acme/d2/telemetry/#"), kDenied);
}

}  // namespace
}  // namespace muster::test_support
