// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/session_table.h"

#include <gtest/gtest.h>

#include "auth-plugin/retained_owners.h"

namespace muster::auth_plugin {
namespace {

// Stand-ins for the broker's client objects, of which only the address counts.
const int kContexts[4] = {};
const void* const kFirst = &kContexts[0];
const void* const kSecond = &kContexts[1];
const void* const kMadeUp = &kContexts[2];

Session session_of(const std::string& principal, const DeviceId& device) {
  Session session;
  session.principal = principal;
  session.device_id = device;
  session.connection.id = ConnectionId::random();
  return session;
}

class SessionTableOf : public testing::Test {
 protected:
  const DeviceId device_ = DeviceId::random();
  SessionTable table_{2};
};

TEST_F(SessionTableOf, FindsByIdAndUsernameTogether) {
  const auto session = table_.admit(kFirst, session_of("acme/d1", device_));

  EXPECT_EQ(table_.find(kFirst, "acme/d1", "acme/d1"), session.get());
  EXPECT_EQ(table_.find(kMadeUp, "acme/d1", "acme/d1"), session.get()) << "the sender of a retained message";
  EXPECT_EQ(table_.find(kFirst, "acme/d1", "acme/d2"), nullptr);
  EXPECT_EQ(table_.find(kFirst, "", ""), nullptr);
}

TEST_F(SessionTableOf, TakeoverKeepsTheSessionAndIgnoresTheOldDisconnect) {
  const auto session = table_.admit(kFirst, session_of("acme/d1", device_));
  EXPECT_EQ(table_.admit(kSecond, session_of("acme/d1", device_)), session);
  table_.disconnect(kFirst);

  EXPECT_TRUE(session->online);
  EXPECT_EQ(session->context, kSecond);
}

TEST_F(SessionTableOf, ConnectionThatDiesBeforeTakingOverLeavesTheOldOne) {
  const auto session = table_.admit(kFirst, session_of("acme/d1", device_));
  const ConnectionId first = session->connection.id;
  table_.admit(kSecond, session_of("acme/d1", device_));
  table_.disconnect(kSecond);

  EXPECT_TRUE(session->online);
  EXPECT_EQ(session->context, kFirst);
  EXPECT_EQ(session->connection.id, first);
}

TEST_F(SessionTableOf, DeviceMadeAgainUnderTheNameStartsAfresh) {
  const auto old = table_.admit(kFirst, session_of("acme/d1", device_));
  old->subscriptions.push_back({"acme/d1/#", 0});
  const auto fresh = table_.admit(kSecond, session_of("acme/d1", DeviceId::random()));

  EXPECT_NE(fresh, old);
  EXPECT_TRUE(fresh->queue_is_foreign);
  EXPECT_TRUE(fresh->subscriptions.empty());
  EXPECT_EQ(table_.find(kFirst, "acme/d1", "acme/d1"), old.get())
      << "until it is taken over, the old connection is its own";
  table_.disconnect(kFirst);
  EXPECT_EQ(table_.find(kFirst, "acme/d1", "acme/d1"), nullptr) << "a late will of the old device is nobody's";
  EXPECT_EQ(table_.find(kSecond, "acme/d1", "acme/d1"), fresh.get());
}

TEST_F(SessionTableOf, OfflineSessionsAreBounded) {
  for (const char* principal : {"acme/d1", "acme/d2", "acme/d3"}) {
    table_.admit(kFirst, session_of(principal, DeviceId::random()));
    table_.disconnect(kFirst);
  }

  EXPECT_EQ(table_.session_count(), 2u);
  EXPECT_EQ(table_.find(kMadeUp, "acme/d1", "acme/d1"), nullptr);
  EXPECT_NE(table_.find(kMadeUp, "acme/d3", "acme/d3"), nullptr);
}

TEST_F(SessionTableOf, DeviceThatComesAndGoesPushesNobodyOut) {
  table_.admit(kFirst, session_of("acme/d1", DeviceId::random()));
  table_.disconnect(kFirst);
  for (int round = 0; round < 10; ++round) {
    table_.admit(kSecond, session_of("acme/d2", device_));
    table_.disconnect(kSecond);
  }

  EXPECT_EQ(table_.session_count(), 2u);
  EXPECT_NE(table_.find(kMadeUp, "acme/d1", "acme/d1"), nullptr);
}

TEST_F(SessionTableOf, DeviceMadeAgainWhileOfflineLeavesNothingOfTheOldOne) {
  table_.admit(kFirst, session_of("acme/d1", device_));
  table_.disconnect(kFirst);
  const DeviceId again = DeviceId::random();
  table_.admit(kFirst, session_of("acme/d1", again));
  table_.disconnect(kFirst);

  EXPECT_EQ(table_.find_device(device_), nullptr);
  EXPECT_NE(table_.find_device(again), nullptr);
  EXPECT_EQ(table_.session_count(), 1u);
}

TEST(RetainedOwners, KnowTheDeviceAndAreBounded) {
  RetainedOwners owners(1);
  const DeviceId old = DeviceId::random();
  EXPECT_TRUE(owners.set("acme/d1/state", old));
  EXPECT_FALSE(owners.set("acme/d2/state", old));

  EXPECT_TRUE(owners.is_owner("acme/d1/state", old));
  EXPECT_FALSE(owners.is_owner("acme/d1/state", DeviceId::random()));
  EXPECT_FALSE(owners.is_owner("acme/d2/state", old));
  owners.erase("acme/d1/state");
  EXPECT_TRUE(owners.set("acme/d2/state", old));
}

TEST(RetainedOwners, OneDeviceCannotTakeAllTheRoom) {
  RetainedOwners owners(100'000);
  const DeviceId greedy = DeviceId::random();
  const auto topic = [](std::size_t i) { return "acme/d1/state/" + std::to_string(i); };
  for (std::size_t i = 0; i < RetainedOwners::kMaxTopicsOfDevice; ++i) ASSERT_TRUE(owners.set(topic(i), greedy));

  EXPECT_FALSE(owners.set(topic(999), greedy));
  EXPECT_TRUE(owners.set(topic(0), greedy)) << "what it has it may replace";
  EXPECT_TRUE(owners.set("acme/d2/state", DeviceId::random()));
  owners.erase(topic(0));
  EXPECT_TRUE(owners.set(topic(999), greedy));
  EXPECT_TRUE(owners.set(topic(1), DeviceId::random())) << "a successor under the name takes the topic over";
  EXPECT_TRUE(owners.set(topic(1000), greedy));
}

}  // namespace
}  // namespace muster::auth_plugin
