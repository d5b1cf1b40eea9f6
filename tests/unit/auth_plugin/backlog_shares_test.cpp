// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/backlog_shares.h"

#include <gtest/gtest.h>

#include "core/id.h"

namespace muster::auth_plugin {
namespace {

constexpr std::uint64_t kCapacity = 1'000'000;

BacklogState holding(std::uint64_t used) { return {used, kCapacity - used}; }

TEST(BacklogShares, OneIsStoppedAtItsQuotaAndOthersGoOn) {
  BacklogShares<DeviceId> shares(0.5);
  const DeviceId greedy = DeviceId::random();
  const DeviceId modest = DeviceId::random();
  shares.settle(holding(0));
  std::uint64_t used = 0;
  while (used < kCapacity && shares.has_room(greedy)) {
    shares.add(greedy, 1000);
    used += 1000;
    shares.add(modest, 10);
    used += 10;
    shares.settle(holding(used));
  }

  EXPECT_NEAR(static_cast<double>(used), kCapacity / 2.0, kCapacity / 50.0);
  EXPECT_TRUE(shares.has_room(modest));
  EXPECT_TRUE(shares.has_room(DeviceId::random()));
}

TEST(BacklogShares, ShippingGivesRoomBack) {
  BacklogShares<DeviceId> shares(0.5);
  const DeviceId device = DeviceId::random();
  shares.add(device, 600'000);
  shares.settle(holding(600'000));
  ASSERT_FALSE(shares.has_room(device));
  shares.settle(holding(300'000));

  EXPECT_TRUE(shares.has_room(device));
  EXPECT_FALSE(shares.has_room(device, 0.5)) << "QoS 0 stops at half";
  shares.settle(holding(0));
  EXPECT_TRUE(shares.has_room(device, 0.5));
}

TEST(BacklogShares, WhatNobodyOfNowWroteLeavesLessToShare) {
  BacklogShares<DeviceId> shares(0.5);
  const DeviceId device = DeviceId::random();
  shares.add(device, 60'000);
  shares.settle(holding(960'000));  // 900,000 from before the start

  EXPECT_FALSE(shares.has_room(device));
}

TEST(BacklogShares, NobodyIsStoppedBeforeTheWalWasLookedAt) {
  BacklogShares<DeviceId> shares(0.5);
  const DeviceId device = DeviceId::random();
  shares.add(device, std::size_t{1} << 40);
  EXPECT_TRUE(shares.has_room(device));
}

}  // namespace
}  // namespace muster::auth_plugin
