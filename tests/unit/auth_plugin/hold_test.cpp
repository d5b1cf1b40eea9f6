// SPDX-License-Identifier: Apache-2.0
//
// The durability hold over real sockets, without TLS: every trap that the first prototype fell into.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "auth-plugin/hold_sender.h"
#include "core/metrics.h"

namespace muster::auth_plugin {
namespace {

using std::chrono::milliseconds;
using Offer = HoldConnection::Offer;

class Hold : public testing::Test {
 protected:
  struct Pair {
    std::shared_ptr<HoldConnection> broker_side;
    int broker_fd = -1;
    int device_fd = -1;
  };

  Hold() { restart(HoldLimits{}); }
  ~Hold() override {
    sender_->stop();
    for (const int fd : open_) ::close(fd);
  }

  void restart(HoldLimits limits) {
    auto started = HoldSender::start(limits, {metrics_.counter("released", ""), metrics_.counter("not_durable", ""),
                                              metrics_.counter("too_long", ""), metrics_.counter("too_large", ""),
                                              metrics_.counter("farewells", "")});
    ASSERT_TRUE(started.ok());
    sender_ = std::move(started).value();
  }

  Pair connect(milliseconds longest_hold = milliseconds(10000), int buffer = 0) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    if (buffer > 0) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    open_.push_back(fds[0]);
    open_.push_back(fds[1]);
    return {std::make_shared<HoldConnection>(*sender_, fds[0], longest_hold), fds[0], fds[1]};
  }

  // What the broker does at the end of a connection: SSL_free, then close.
  void end(Pair& pair) {
    pair.broker_side->close();
    pair.broker_side.reset();
    ::close(pair.broker_fd);
    std::erase(open_, pair.broker_fd);
  }

  // Reads until `size` octets came, the peer ended, or the time is over.
  std::string read(const Pair& pair, std::size_t size, milliseconds time = milliseconds(3000)) {
    std::string got;
    const auto end = std::chrono::steady_clock::now() + time;
    while (got.size() < size) {
      const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
      pollfd event{pair.device_fd, POLLIN, 0};
      if (left.count() <= 0 || poll(&event, 1, static_cast<int>(left.count())) <= 0) break;
      char chunk[65536];
      const ssize_t n = ::recv(pair.device_fd, chunk, sizeof chunk, 0);
      if (n <= 0) break;
      got.append(chunk, static_cast<std::size_t>(n));
    }
    return got;
  }

  bool ended(const Pair& pair, milliseconds time = milliseconds(3000)) {
    pollfd event{pair.device_fd, POLLIN, 0};
    if (poll(&event, 1, static_cast<int>(time.count())) <= 0) return false;
    char octet = 0;
    return ::recv(pair.device_fd, &octet, 1, MSG_PEEK) <= 0;
  }

  MetricsRegistry metrics_;
  std::unique_ptr<HoldSender> sender_;
  std::vector<int> open_;
};

TEST_F(Hold, PassesWhatNothingWaitsFor) {
  Pair pair = connect();

  EXPECT_EQ(pair.broker_side->offer("x"), Offer::kPass);
  sender_->on_durable(7);
  pair.broker_side->require(7);
  EXPECT_EQ(pair.broker_side->offer("y"), Offer::kPass);
}

TEST_F(Hold, SendsInOrderOnceDurable) {
  Pair pair = connect();
  pair.broker_side->require(1);
  EXPECT_EQ(pair.broker_side->offer("ack1 "), Offer::kHeld);
  pair.broker_side->require(2);
  EXPECT_EQ(pair.broker_side->offer("ack2 "), Offer::kHeld);
  EXPECT_EQ(read(pair, 1, milliseconds(50)), "");

  sender_->on_durable(1);
  EXPECT_EQ(read(pair, 5), "ack1 ");
  EXPECT_EQ(pair.broker_side->offer("ping"), Offer::kHeld) << "may not overtake ack2";

  sender_->on_durable(2);
  EXPECT_EQ(read(pair, 9), "ack2 ping");
}

TEST_F(Hold, SlowReaderMakesTheBrokerWaitAndTakesNoMemory) {
  Pair pair = connect(milliseconds(10000), 4096);
  pair.broker_side->require(1);
  EXPECT_EQ(pair.broker_side->offer(std::string(200000, 'a')), Offer::kHeld);
  sender_->on_durable(1);
  Offer answer = Offer::kHeld;
  for (int i = 0; i < 200 && answer != Offer::kRetry; ++i) answer = pair.broker_side->offer("b");

  EXPECT_EQ(answer, Offer::kRetry);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(pair.broker_side->offer(std::string(1000, 'c')), Offer::kRetry);
  EXPECT_LT(sender_->held_bytes(), 201000u);
}

TEST_F(Hold, StuckTailGoesOnWithoutAnybodyElsesTraffic) {
  Pair pair = connect(milliseconds(10000), 4096);
  pair.broker_side->require(1);
  pair.broker_side->offer(std::string(500000, 'a'));
  sender_->on_durable(1);

  EXPECT_EQ(read(pair, 500000).size(), 500000u);
}

TEST_F(Hold, TooMuchHeldCutsTheConnection) {
  HoldLimits limits;
  limits.connection_bytes = 1000;
  sender_->stop();
  restart(limits);
  Pair pair = connect();
  pair.broker_side->require(1);

  EXPECT_EQ(pair.broker_side->offer(std::string(900, 'a')), Offer::kHeld);
  EXPECT_EQ(pair.broker_side->offer(std::string(200, 'b')), Offer::kHeld);

  EXPECT_TRUE(ended(pair));
  EXPECT_EQ(sender_->held_bytes(), 0u);
  EXPECT_EQ(metrics_.counter("too_large", "").value(), 1u);
}

TEST_F(Hold, FailedCommitCutsWithoutAnAcknowledgement) {
  Pair lost = connect();
  Pair safe = connect();
  lost.broker_side->require(5);
  lost.broker_side->offer("ack5");
  safe.broker_side->require(9);
  safe.broker_side->offer("ack9");

  sender_->on_failure(5);
  EXPECT_TRUE(ended(lost));
  sender_->on_durable(9);

  EXPECT_EQ(read(lost, 4, milliseconds(50)), "");
  EXPECT_EQ(read(safe, 4), "ack9");
  EXPECT_EQ(metrics_.counter("not_durable", "").value(), 1u);
}

TEST_F(Hold, HoldsNoLongerThanItsLimit) {
  Pair pair = connect(milliseconds(100));
  pair.broker_side->require(1);
  pair.broker_side->offer("ack1");

  EXPECT_TRUE(ended(pair));
  EXPECT_EQ(metrics_.counter("too_long", "").value(), 1u);
}

TEST_F(Hold, ClosedConnectionStillGetsWhatBecomesDurableInTime) {
  Pair pair = connect();
  pair.broker_side->require(3);
  pair.broker_side->offer("ack3");
  end(pair);
  EXPECT_FALSE(ended(pair, milliseconds(50)));

  sender_->on_durable(3);

  EXPECT_EQ(read(pair, 4), "ack3");
  EXPECT_TRUE(ended(pair));
}

TEST_F(Hold, ClosedConnectionEndsWhenNothingBecomesDurable) {
  Pair pair = connect();
  pair.broker_side->require(3);
  pair.broker_side->offer("ack3");
  end(pair);

  EXPECT_TRUE(ended(pair));
  EXPECT_EQ(read(pair, 4, milliseconds(50)), "");
  EXPECT_EQ(metrics_.counter("farewells", "").value(), 1u);
}

TEST_F(Hold, RevokedDeviceGetsNothingThatWasHeld) {
  Pair pair = connect();
  pair.broker_side->require(3);
  pair.broker_side->offer("secret");
  pair.broker_side->discard_held();
  end(pair);
  sender_->on_durable(3);

  EXPECT_TRUE(ended(pair));
  EXPECT_EQ(read(pair, 6, milliseconds(50)), "");
}

TEST_F(Hold, StopSendsWhatIsDurable) {
  Pair pair = connect();
  pair.broker_side->require(3);
  pair.broker_side->offer("ack3");
  end(pair);
  sender_->on_durable(3);
  sender_->stop();

  EXPECT_EQ(read(pair, 4), "ack3");
}

}  // namespace
}  // namespace muster::auth_plugin
