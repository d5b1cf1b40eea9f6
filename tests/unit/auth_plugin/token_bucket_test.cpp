// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/token_bucket.h"

#include <gtest/gtest.h>

namespace muster::auth_plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
const TokenBucket::Time kStart = TokenBucket::Time(seconds(1000));

TEST(TokenBucket, LetsABurstThroughAndThenItsRate) {
  TokenBucket bucket;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(1, 2, 3, kStart));
  EXPECT_FALSE(bucket.take(1, 2, 3, kStart));
  EXPECT_FALSE(bucket.take(1, 2, 3, kStart + milliseconds(400)));
  EXPECT_TRUE(bucket.take(1, 2, 3, kStart + milliseconds(600)));
  EXPECT_FALSE(bucket.take(1, 2, 3, kStart + milliseconds(600)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(1, 2, 3, kStart + seconds(60))) << "never more than the burst";
  EXPECT_FALSE(bucket.take(1, 2, 3, kStart + seconds(60)));
}

TEST(TokenBucket, WhatIsLargerThanTheBurstPassesWhenItIsFullAndIsPaidForAfterwards) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.take(30, 10, 10, kStart));
  EXPECT_FALSE(bucket.take(1, 10, 10, kStart + milliseconds(1900)));
  EXPECT_TRUE(bucket.take(1, 10, 10, kStart + milliseconds(2200)));
}

TEST(TokenBucket, AClockThatStandsBehindGivesNothing) {
  TokenBucket bucket;
  EXPECT_TRUE(bucket.take(1, 1, 1, kStart));
  EXPECT_FALSE(bucket.take(1, 1, 1, kStart - seconds(100)));
  EXPECT_FALSE(bucket.take(1, 1, 1, kStart));
}

}  // namespace
}  // namespace muster::auth_plugin
