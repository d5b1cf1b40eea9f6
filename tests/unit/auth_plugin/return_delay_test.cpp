// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/return_delay.h"

#include <gtest/gtest.h>

namespace muster::auth_plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
const ReturnDelay::Time kStart = ReturnDelay::Time(seconds(1000));

TEST(ReturnDelay, TheFirstCutCostsNothingAndEachFurtherOneTwiceAsMuch) {
  ReturnDelay delay;
  EXPECT_LE(delay.until(), kStart) << "who was never cut";
  ReturnDelay::Time now = kStart;
  for (const int expected : {0, 500, 1000, 2000, 4000, 8000, 8000}) {
    delay.cut(now);
    EXPECT_EQ(delay.until(), now + milliseconds(expected));
    now = delay.until();
  }
}

TEST(ReturnDelay, IsForgottenAfterAMinuteWithoutACut) {
  ReturnDelay delay;
  for (int i = 0; i < 5; ++i) delay.cut(kStart);
  delay.cut(kStart + seconds(60));
  EXPECT_EQ(delay.until(), kStart + seconds(68));
  delay.cut(kStart + seconds(121));
  EXPECT_EQ(delay.until(), kStart + seconds(121));
}

}  // namespace
}  // namespace muster::auth_plugin
