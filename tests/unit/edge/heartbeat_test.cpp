// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "edge/folder_files.h"

namespace muster::edge {
namespace {

TEST(Heartbeat, CountsBootTimeWithinABootAndWallTimeAcrossBoots) {
  using std::chrono::seconds;
  const RawId boot = random_raw_id();
  const Heartbeat heartbeat{{random_raw_id(), 4}, UtcTime{seconds{1'800'000'000}}, seconds{1000}, boot};
  const auto wall = [](int after) { return UtcTime{seconds{1'800'000'000 + after}}; };

  EXPECT_EQ(heartbeat_age(heartbeat, {wall(0), seconds{1060}, boot}), 60U) << "the wall clock stood still";
  EXPECT_EQ(heartbeat_age(heartbeat, {wall(500), seconds{20}, random_raw_id()}), 500U);
  EXPECT_EQ(heartbeat_age(heartbeat, {wall(-200), seconds{20}, random_raw_id()}), 0U) << "within the tolerated lag";
  EXPECT_FALSE(heartbeat_age(heartbeat, {wall(-301), seconds{1001}, boot}));
  EXPECT_FALSE(heartbeat_age(heartbeat, {wall(-301), seconds{20}, random_raw_id()}));
  EXPECT_FALSE(heartbeat_age(heartbeat, {wall(0), seconds{900}, boot})) << "stamped in the future of this boot";
}

TEST(Heartbeat, RoundTripsAndRefusesEveryChangedOctet) {
  const Heartbeat heartbeat{
      {random_raw_id(), 4}, UtcTime{std::chrono::seconds{5}}, std::chrono::seconds{6}, random_raw_id()};
  const Bytes file = encode_heartbeat(heartbeat);
  EXPECT_EQ(decode_heartbeat(file).value(), heartbeat);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 4;
    EXPECT_FALSE(decode_heartbeat(changed).ok()) << i;
  }
}

TEST(Heartbeat, RefusesTimesThatCannotBe) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  const auto readable = [](seconds issued_at, nanoseconds asked_at) {
    return decode_heartbeat(encode_heartbeat({{random_raw_id(), 4}, UtcTime{issued_at}, asked_at, random_raw_id()}))
        .ok();
  };
  EXPECT_TRUE(readable(seconds{5}, seconds{6}));
  EXPECT_FALSE(readable(seconds::min(), seconds{6}));
  EXPECT_FALSE(readable(seconds::max(), seconds{6}));
  EXPECT_FALSE(readable(seconds{5}, nanoseconds::min()));
}

}  // namespace
}  // namespace muster::edge
