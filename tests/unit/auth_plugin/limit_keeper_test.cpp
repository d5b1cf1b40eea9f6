// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/limit_keeper.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "auth-plugin/reasons.h"
#include "edge/base_file_writer.h"
#include "edge/snapshot_loader.h"

namespace muster::auth_plugin {
namespace {

// One tenant with one device, and a keeper that is asked on its behalf. The platform sets no limits.
class LimitKeeperOf : public testing::Test {
 protected:
  LimitKeeperOf() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    EXPECT_TRUE(
        edge::write_base_file(edge::base_path(folder_), 0600, {RawId{}, 1}, std::vector<edge::IdentityChange>{tenant_})
            .ok());
    view_ = edge::load_base(folder_, geteuid()).value();
    session_.principal = "acme/d1";
    session_.tenant_id = tenant_.id;
    session_.online = true;
    session_.connection.id = ConnectionId::random();
  }
  ~LimitKeeperOf() override { std::filesystem::remove_all(folder_); }

  void limit_each_device(std::optional<std::uint32_t> Limits::*field, std::optional<std::uint32_t> value) {
    tenant_.limits.device.*field = value;
    auto state = std::make_shared<IdentityState>();
    state->view = view_ = view_->with({RawId{}, ++generation_}, std::vector<edge::IdentityChange>{tenant_});
    state->generation = generation_;
    identity_.publish(state, {});
  }
  std::string_view publish(std::uint8_t qos, std::size_t octets = 1) {
    return keeper_.publish(session_, {.topic = 1, .payload = octets, .qos = qos}, durable_, time_);
  }
  bool metrics_say(const std::string& sample) const {
    return metrics_.render().find("muster_broker_" + sample + "\n") != std::string::npos;
  }

  std::string folder_ = "/tmp/muster-limits-XXXXXX";
  edge::TenantState tenant_{TenantId::random(), "acme"};
  std::shared_ptr<const edge::SnapshotView> view_;
  std::uint64_t generation_ = 1;
  BrokerMetrics metrics_;
  IdentityExchange identity_;
  LimitKeeper keeper_{{}, identity_, metrics_};
  Session session_;
  std::uint64_t durable_ = 0;
  LimitKeeper::Time time_{std::chrono::hours(1)};
};

TEST_F(LimitKeeperOf, OnlySoManyPublishesWaitForTheDisk) {
  limit_each_device(&Limits::in_flight, 2);
  for (const std::uint64_t sequence : {1, 2}) {
    ASSERT_EQ(publish(1), "");
    keeper_.in_flight(session_, sequence);
  }
  EXPECT_EQ(publish(1), reasons::kInFlightLimit);
  EXPECT_EQ(publish(0), "") << "nobody waits for QoS 0";
  durable_ = 1;
  EXPECT_EQ(publish(1), "");
}

TEST_F(LimitKeeperOf, OnlySoManyAreQueuedForWhoIsAway) {
  limit_each_device(&Limits::queued_messages, 2);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(keeper_.queue(session_, 1), "") << "nothing is queued for who is there";
  session_.online = false;
  EXPECT_EQ(keeper_.queue(session_, 1), "");
  EXPECT_EQ(keeper_.queue(session_, 0), "") << "QoS 0 is not kept";
  EXPECT_EQ(keeper_.queue(session_, 1), "");
  EXPECT_EQ(keeper_.queue(session_, 1), reasons::kQueueLimit);
  keeper_.connected(session_);
  EXPECT_EQ(keeper_.queue(session_, 1), "") << "what was queued has been delivered";
}

TEST_F(LimitKeeperOf, OnlySoManySubscriptionsAndACleanStartBeginsAtNone) {
  limit_each_device(&Limits::subscriptions, 1);
  EXPECT_EQ(keeper_.subscribe(session_, "a", true), "");
  session_.subscribing = session_.connection.id;
  session_.subscriptions.push_back({"a", 1});
  EXPECT_EQ(keeper_.subscribe(session_, "b", true), reasons::kSubscriptionLimit);
  EXPECT_EQ(keeper_.subscribe(session_, "a", true), "") << "what it has it may ask for again";
  session_.connection.id = ConnectionId::random();
  EXPECT_EQ(keeper_.subscribe(session_, "b", false), reasons::kSubscriptionLimit) << "the session went on";
  EXPECT_EQ(keeper_.subscribe(session_, "b", true), "");
}

TEST_F(LimitKeeperOf, AChangeOfALimitGivesNothingBack) {
  limit_each_device(&Limits::publish_messages_per_second, 2);
  EXPECT_EQ(publish(0), "");
  EXPECT_EQ(publish(0), "");
  EXPECT_EQ(publish(0), reasons::kMessageRateLimit);
  limit_each_device(&Limits::publish_messages_per_second, 3);
  EXPECT_EQ(publish(0), reasons::kMessageRateLimit);
  time_ += std::chrono::milliseconds(400);
  EXPECT_EQ(publish(0), "");
  limit_each_device(&Limits::publish_messages_per_second, std::nullopt);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(publish(0), "");
}

TEST_F(LimitKeeperOf, AHitIsCountedByReasonAndByTenant) {
  keeper_.hit(session_, reasons::kPayloadLimit);
  keeper_.hit(session_, reasons::kPayloadLimit);
  EXPECT_TRUE(metrics_say("limits_hit_total{reason=\"limit.payload\"} 2"));
  EXPECT_TRUE(metrics_say("tenant_limited_total{tenant=\"acme\"} 2"));
}

}  // namespace
}  // namespace muster::auth_plugin
