// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/handshake_gate.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace muster::auth_plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

SourceAddress address(std::uint8_t last) {
  SourceAddress source{};
  source[15] = last;
  return source;
}

class HandshakeGateTest : public testing::Test {
 protected:
  HandshakeGate make(const HandshakeLimits& limits) {
    return HandshakeGate(limits, {.end = [this](int fd) { ended_.push_back(fd); },
                                  .ended = [this](std::string_view reason, int) { reasons_.emplace_back(reason); },
                                  .listen = [this](int fd, bool on) { listening_.emplace_back(fd, on); }});
  }
  HandshakeGate::Place& place() { return places_.emplace_back(); }

  std::deque<HandshakeGate::Place> places_;
  std::vector<int> ended_;
  std::vector<std::string> reasons_;
  std::vector<std::pair<int, bool>> listening_;
  const HandshakeGate::Time start_ = HandshakeGate::Time(seconds(1000));
};

TEST_F(HandshakeGateTest, OneRoundServesAFewAndTheNextRoundTheOthersInTheirTurn) {
  HandshakeGate gate = make({.steps_a_round = 2});
  for (int fd = 0; fd < 5; ++fd) ASSERT_TRUE(gate.begin(place(), fd, address(1), start_));
  const auto read_all = [&] {
    std::vector<int> served;
    for (int fd = 0; fd < 5; ++fd) {
      if (!gate.may_read(places_[static_cast<std::size_t>(fd)], start_)) continue;
      gate.has_read(places_[static_cast<std::size_t>(fd)], true, start_);
      EXPECT_TRUE(gate.may_read(places_[static_cast<std::size_t>(fd)], start_)) << "the rest of a flight";
      served.push_back(fd);
    }
    return served;
  };
  EXPECT_EQ(read_all(), (std::vector<int>{0, 1}));
  gate.leave(places_[0]);
  gate.leave(places_[1]);
  EXPECT_EQ(gate.deferrals(), 3U);
  gate.next_round();
  EXPECT_TRUE(gate.may_read(places_[2], start_));
  EXPECT_TRUE(gate.may_read(places_[0], start_)) << "who has left is not held back";
}

TEST_F(HandshakeGateTest, AReadThatFindsNothingCostsNoStep) {
  HandshakeGate gate = make({.steps_a_round = 1});
  for (int fd = 0; fd < 2; ++fd) ASSERT_TRUE(gate.begin(place(), fd, address(1), start_));
  ASSERT_TRUE(gate.may_read(places_[0], start_));
  gate.has_read(places_[0], false, start_);
  EXPECT_TRUE(gate.may_read(places_[1], start_));
  gate.has_read(places_[1], true, start_);
  gate.has_read(places_[1], false, start_);
  EXPECT_FALSE(gate.may_read(places_[0], start_)) << "a flight that was read is a step, though nothing follows it";
}

TEST_F(HandshakeGateTest, MoreAreServedWhereManyWait) {
  HandshakeGate gate = make({.steps_a_round = 1, .waiting_for_another_step = 10});
  for (int fd = 0; fd < 31; ++fd) ASSERT_TRUE(gate.begin(place(), fd, address(1), start_));
  const auto served = [&] {
    int count = 0;
    for (auto& one : places_) count += gate.may_read(one, start_) ? 1 : 0;
    return count;
  };
  EXPECT_EQ(served(), 1);
  gate.next_round();
  EXPECT_EQ(served(), 4) << "thirty waited";
}

TEST_F(HandshakeGateTest, TheSilentAreEndedInSecondsAndTheSlowALittleLater) {
  HandshakeGate gate = make({.idle_time = seconds(5), .whole_time = seconds(15)});
  ASSERT_TRUE(gate.begin(place(), 7, address(1), start_));
  ASSERT_TRUE(gate.begin(place(), 8, address(2), start_));
  for (int second = 1; second <= 15; ++second) {
    gate.has_read(places_[1], true, start_ + seconds(second));
    gate.end_overdue(start_ + seconds(second));
  }
  EXPECT_EQ(ended_, (std::vector<int>{7}));
  EXPECT_TRUE(places_[0].is_ended());
  gate.has_read(places_[1], true, start_ + seconds(16));
  gate.end_overdue(start_ + seconds(16));
  EXPECT_EQ(ended_, (std::vector<int>{7, 8})) << "an octet a second is no reason to wait for ever";
  EXPECT_EQ(reasons_, (std::vector<std::string>{"handshake.too_slow", "handshake.too_slow"}));
  EXPECT_EQ(gate.pending(), 0U);
}

TEST_F(HandshakeGateTest, WhoWaitsForUsIsNotSilent) {
  HandshakeGate gate = make({.idle_time = seconds(5), .steps_a_round = 1});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  ASSERT_TRUE(gate.begin(place(), 2, address(1), start_));
  ASSERT_TRUE(gate.may_read(places_[0], start_));
  gate.has_read(places_[0], true, start_ + seconds(4));
  ASSERT_FALSE(gate.may_read(places_[1], start_ + seconds(4)));
  gate.end_overdue(start_ + seconds(6));
  EXPECT_TRUE(ended_.empty());
}

TEST_F(HandshakeGateTest, OneAddressCannotTakeAllPlaces) {
  HandshakeGate gate = make({.pending = 4, .pending_of_address = 2});
  EXPECT_TRUE(gate.begin(place(), 1, address(1), start_));
  EXPECT_TRUE(gate.begin(place(), 2, address(1), start_));
  EXPECT_FALSE(gate.begin(place(), 3, address(1), start_));
  EXPECT_TRUE(places_.back().is_ended());
  EXPECT_TRUE(gate.begin(place(), 4, address(2), start_));
  EXPECT_EQ(ended_, (std::vector<int>{3}));
  EXPECT_EQ(reasons_, (std::vector<std::string>{"handshake.too_many_of_address"}));
  gate.leave(places_[0]);
  EXPECT_TRUE(gate.begin(place(), 5, address(1), start_)) << "a place that is left is free";
}

TEST_F(HandshakeGateTest, AFullHouseMakesRoomByEndingTheLongestSilent) {
  HandshakeGate gate = make({.pending = 2, .pending_of_address = 9, .patience_when_full = seconds(1)});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  ASSERT_TRUE(gate.begin(place(), 2, address(1), start_));
  EXPECT_FALSE(gate.begin(place(), 3, address(2), start_ + milliseconds(500))) << "nobody has been silent for long";
  gate.has_read(places_[0], true, start_ + milliseconds(900));
  EXPECT_TRUE(gate.begin(place(), 4, address(2), start_ + milliseconds(1100)));
  EXPECT_EQ(ended_, (std::vector<int>{3, 2}));
  EXPECT_EQ(gate.pending(), 2U);
}

TEST_F(HandshakeGateTest, TwoHundredSilentSocketsLeaveTheDoorOpenAndAreGoneInSeconds) {
  HandshakeGate gate = make({.pending = 200, .pending_of_address = 200});
  for (int fd = 0; fd < 200; ++fd) ASSERT_TRUE(gate.begin(place(), fd, address(1), start_));
  HandshakeGate::Place& honest = place();
  EXPECT_TRUE(gate.begin(honest, 1000, address(2), start_ + seconds(1)));
  EXPECT_TRUE(gate.may_read(honest, start_ + seconds(1))) << "silence takes nobody's turn";
  gate.has_read(honest, true, start_ + seconds(1));
  gate.leave(honest);
  gate.end_overdue(start_ + milliseconds(5001));
  EXPECT_EQ(ended_.size(), 200U);
  EXPECT_EQ(gate.pending(), 0U);
}

TEST_F(HandshakeGateTest, WhoRestsIsNotReadUntilItsTimeIsOverAndIsNotSilentMeanwhile) {
  HandshakeGate gate = make({.idle_time = seconds(2), .whole_time = seconds(20), .steps_a_round = 1});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  ASSERT_TRUE(gate.begin(place(), 2, address(1), start_));
  gate.rest(places_[0], start_ + seconds(4), start_);
  EXPECT_EQ(gate.resting(), 1U);
  EXPECT_FALSE(gate.may_read(places_[0], start_));
  EXPECT_TRUE(gate.may_read(places_[1], start_)) << "it takes nobody's turn";
  gate.has_read(places_[1], true, start_);
  gate.leave(places_[1]);
  gate.end_overdue(start_ + seconds(3));
  EXPECT_FALSE(gate.may_read(places_[0], start_ + seconds(3)));
  gate.end_overdue(start_ + seconds(4));
  gate.next_round();
  EXPECT_EQ(gate.resting(), 0U);
  EXPECT_TRUE(gate.may_read(places_[0], start_ + seconds(4)));
  EXPECT_EQ(listening_, (std::vector<std::pair<int, bool>>{{1, false}, {1, true}}));
  gate.end_overdue(start_ + seconds(5));
  EXPECT_TRUE(ended_.empty());
  gate.end_overdue(start_ + seconds(7));
  EXPECT_EQ(ended_, (std::vector<int>{1})) << "from then on its silence counts";
}

TEST_F(HandshakeGateTest, ARestLeavesAThirdOfTheTimeAndOneThatIsOverIsNone) {
  HandshakeGate gate = make({.whole_time = seconds(3)});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  gate.rest(places_[0], start_, start_ + milliseconds(1));
  EXPECT_EQ(gate.resting(), 0U);
  gate.rest(places_[0], start_ + seconds(60), start_);
  EXPECT_FALSE(gate.may_read(places_[0], start_ + seconds(1)));
  gate.end_overdue(start_ + seconds(2));
  EXPECT_TRUE(gate.may_read(places_[0], start_ + seconds(2)));
}

TEST_F(HandshakeGateTest, ASocketThatIsReportedAgainAndAgainInItsRestIsEnded) {
  HandshakeGate gate = make({});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  gate.rest(places_[0], start_ + seconds(4), start_);
  int reads = 0;
  for (; reads < 1000 && !places_[0].is_ended(); ++reads) EXPECT_FALSE(gate.may_read(places_[0], start_));
  EXPECT_LT(reads, 100) << "the peer has gone: it would be read in every round";
  EXPECT_EQ(reasons_, (std::vector<std::string>{"handshake.rest_broken"}));
  EXPECT_EQ(gate.pending(), 0U);
  EXPECT_EQ(gate.resting(), 0U);
}

TEST_F(HandshakeGateTest, WhoRestsKeepsNobodyOutWhoComesFromTheSameAddress) {
  HandshakeGate gate = make({.pending = 9, .pending_of_address = 2});
  ASSERT_TRUE(gate.begin(place(), 1, address(1), start_));
  ASSERT_TRUE(gate.begin(place(), 2, address(1), start_));
  gate.rest(places_[1], start_ + seconds(4), start_);
  EXPECT_TRUE(gate.begin(place(), 3, address(1), start_));
  EXPECT_EQ(ended_, (std::vector<int>{2}));
  EXPECT_FALSE(gate.begin(place(), 4, address(1), start_)) << "nobody of that address rests any more";
}

TEST_F(HandshakeGateTest, AFullHouseEndsThoseThatRestFirst) {
  HandshakeGate gate = make({.pending = 3, .pending_of_address = 9});
  for (int fd = 1; fd <= 3; ++fd) ASSERT_TRUE(gate.begin(place(), fd, address(1), start_));
  gate.rest(places_[2], start_ + seconds(4), start_);
  gate.rest(places_[1], start_ + seconds(4), start_);
  EXPECT_TRUE(gate.begin(place(), 4, address(2), start_ + milliseconds(1)));
  EXPECT_EQ(ended_, (std::vector<int>{3}));
  gate.leave(places_[1]);
  EXPECT_EQ(gate.resting(), 0U);
}

}  // namespace
}  // namespace muster::auth_plugin
