// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/edge/snapshot_folder_fixture.h"

namespace muster::edge {
namespace {

using std::chrono::seconds;

UtcTime wall(int after) { return UtcTime{seconds{1'800'000'000 + after}}; }

TEST(HeartbeatAge, CountsBootTimeOnceItWasSeen) {
  HeartbeatAge age{UtcTime{}};
  EXPECT_FALSE(age.seconds({wall(0), seconds{1000}}));
  ASSERT_TRUE(age.take(wall(0), {wall(40), seconds{1000}}));
  EXPECT_EQ(age.seconds({wall(40), seconds{1060}}), 100U) << "the wall clock stood still";
  EXPECT_EQ(age.seconds({wall(9999), seconds{1060}}), 100U) << "the wall clock jumped";
  EXPECT_EQ(age.seconds({wall(-300), seconds{1060}}), 100U) << "within the tolerated lag";
  EXPECT_FALSE(age.seconds({wall(-301), seconds{1060}}));
}

TEST(HeartbeatAge, SeenAgainItIsNotYounger) {
  HeartbeatAge age{UtcTime{}};
  ASSERT_TRUE(age.take(wall(0), {wall(0), seconds{1000}}));
  ASSERT_TRUE(age.take(wall(0), {wall(500), seconds{1500}}));
  EXPECT_EQ(age.seconds({wall(500), seconds{1500}}), 500U);
  EXPECT_FALSE(age.take(wall(-1), {wall(500), seconds{1500}})) << "older than the newest";
  EXPECT_FALSE(age.take(wall(801), {wall(500), seconds{1500}})) << "from a future that is not ours";
  EXPECT_TRUE(age.take(wall(499), {wall(500), seconds{1500}}));
  EXPECT_EQ(age.seconds({wall(500), seconds{1500}}), 1U);
}

TEST(HeartbeatAge, KnowsWhatCountedBeforeARestart) {
  HeartbeatAge age{wall(100)};
  EXPECT_FALSE(age.take(wall(99), {wall(100), seconds{5}}));
  EXPECT_FALSE(age.seconds({wall(100), seconds{5}}));
  EXPECT_TRUE(age.take(wall(100), {wall(100), seconds{5}}));
}

TEST(Heartbeat, RoundTripsAndRefusesEveryChangedOctet) {
  Heartbeat heartbeat{{random_raw_id(), 4}, wall(0), {}};
  heartbeat.signature.fill(7);
  const Bytes file = encode_heartbeat(heartbeat);
  EXPECT_EQ(decode_heartbeat(file).value(), heartbeat);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 4;
    EXPECT_FALSE(decode_heartbeat(changed).ok()) << i;
  }
}

TEST(Heartbeat, RefusesTimesThatCannotBe) {
  const auto readable = [](seconds issued_at) {
    return decode_heartbeat(encode_heartbeat({{random_raw_id(), 4}, UtcTime{issued_at}, {}})).ok();
  };
  EXPECT_TRUE(readable(seconds{5}));
  EXPECT_FALSE(readable(seconds::min()));
  EXPECT_FALSE(readable(seconds::max()));
}

TEST(HeldState, ReadsWhatWasWrittenBeforeHeartbeatsWereSigned) {
  HeldState state{{random_raw_id(), 7}, {random_raw_id()}, wall(3)};
  EXPECT_EQ(decode_held_state(encode_held_state(state)).value(), state);
}

class SignedHeartbeat : public SnapshotFolderTest {
 protected:
  SignedHeartbeat() {
    EXPECT_TRUE(edge_.write_base(at(1), {}).ok());
    EXPECT_TRUE(reader_->refresh().ok());
  }
  std::optional<std::uint64_t> age_after(UtcTime issued_at, const HeartbeatSignature& signature) {
    EXPECT_TRUE(edge_.write_heartbeat(at(1), issued_at, signature).ok());
    EXPECT_TRUE(reader_->refresh().ok());
    return reader_->age_seconds();
  }
  const UtcTime now_ = SystemClock{}.now();
  SnapshotFolderWriter edge_ = writer();
  std::unique_ptr<SnapshotFolder> reader_ = reader();
};

TEST_F(SignedHeartbeat, ForgedOneDoesNotCount) {
  HeartbeatSignature forged = signature_of(1, now_);
  forged[5] ^= 1;
  EXPECT_FALSE(age_after(now_, forged));
  EXPECT_FALSE(age_after(now_, signature_of(1, now_ - seconds{9}))) << "signed for another time";
  EXPECT_FALSE(age_after(now_, signature_of(2, now_))) << "signed for another position";
  EXPECT_TRUE(age_after(now_, signature_of(1, now_)));
}

TEST_F(SignedHeartbeat, AnotherEdgesDoesNotCount) {
  const auto other = sign(heartbeat_message(EdgeId::random(), at(1), now_));
  EXPECT_FALSE(age_after(now_, other));
}

TEST_F(SignedHeartbeat, ReplayedOneDoesNotMakeTheStateYounger) {
  const UtcTime then = now_ - seconds{1000};
  ASSERT_GE(age_after(then, signature_of(1, then)).value(), 1000U);
  ASSERT_LT(age_after(now_, signature_of(1, now_)).value(), 500U);
  EXPECT_LT(age_after(then, signature_of(1, then)).value(), 500U) << "the newest still counts";

  // After a restart the edge shows what it kept: it is believed to be as old as the server said, or not at all.
  reader_ = reader();
  const auto age = age_after(then, signature_of(1, then));
  EXPECT_TRUE(!age || *age >= 1000U);
}

}  // namespace
}  // namespace muster::edge
