// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/hold_sender.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "auth-plugin/signal_mask.h"

namespace muster::auth_plugin {
namespace {

constexpr int kIdleMilliseconds = 250;    // holds that last too long are looked for this often
constexpr int kFarewellMilliseconds = 5;  // closed connections are looked at this often

}  // namespace

Result<std::unique_ptr<HoldSender>> HoldSender::start(HoldLimits limits, Counters counters) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !wake) return internal_error("epoll or eventfd failed");
  epoll_event event{EPOLLIN, {.fd = wake.get()}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) return internal_error("epoll_ctl failed");
  std::unique_ptr<HoldSender> sender(new HoldSender(limits, counters, std::move(epoll), std::move(wake)));
  const SignalMask blocked;
  sender->thread_ = std::jthread([self = sender.get()] { self->run(); });
  return sender;
}

HoldSender::HoldSender(HoldLimits limits, Counters counters, UniqueFd epoll, UniqueFd wake)
    : limits_(limits), counters_(counters), epoll_(std::move(epoll)), wake_(std::move(wake)) {}

HoldSender::~HoldSender() { stop(); }

void HoldSender::on_durable(std::uint64_t durable) {
  // Both sequentially consistent: list() raises the flag and then looks at the mark, this does it the other way round.
  durable_.store(durable, std::memory_order_seq_cst);
  if (has_work_.load(std::memory_order_seq_cst)) eventfd_write(wake_.get(), 1);
}

void HoldSender::on_failure(std::uint64_t lost) {
  lost_.store(lost, std::memory_order_release);
  eventfd_write(wake_.get(), 1);
}

void HoldSender::stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void HoldSender::list(const std::shared_ptr<HoldConnection>& connection) {
  {
    const std::lock_guard lock(mutex_);
    listed_.push_back(connection);
  }
  // Ordered before the caller's second look at durable(): either it sees the commit, or the commit sees this flag.
  if (!has_work_.exchange(true, std::memory_order_seq_cst)) eventfd_write(wake_.get(), 1);
}

void HoldSender::watch_socket(HoldConnection& connection, int fd) {
  if (!connection.listed_) {
    connection.listed_ = true;
    list(connection.shared_from_this());
  }
  epoll_event event{EPOLLOUT | EPOLLONESHOT, {.fd = fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void HoldSender::forget_socket(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

bool HoldSender::take_farewell_place() {
  if (farewells_.fetch_add(1) < limits_.farewells) return true;
  farewells_.fetch_sub(1);
  counters_.farewells_dropped.add();
  return false;
}

void HoldSender::run() {
  while (true) {
    epoll_event events[64];
    const int ready = epoll_wait(epoll_.get(), events, std::size(events), next_timeout());
    for (int i = 0; i < ready; ++i) {
      eventfd_t count = 0;
      if (events[i].data.fd == wake_.get()) eventfd_read(wake_.get(), &count);
    }
    const auto now = Clock::now();
    collect();
    pump_waiting(now);
    end_farewells(now);
    shut_down_cut(now);
    if (!stopping_) continue;
    if (stop_deadline_ == Clock::time_point{}) stop_deadline_ = now + limits_.farewell_time;
    const bool nothing_left = waiting_.empty() && leaving_.empty();
    if (nothing_left || now >= stop_deadline_) return;
  }
}

void HoldSender::collect() {
  const std::lock_guard lock(mutex_);
  waiting_.insert(waiting_.end(), std::make_move_iterator(listed_.begin()), std::make_move_iterator(listed_.end()));
  listed_.clear();
  if (waiting_.empty()) has_work_.store(false, std::memory_order_seq_cst);
}

// Every waiting connection is tried after each wake-up: a commit releases most of them, and a try that sends nothing
// costs one lock.
void HoldSender::pump_waiting(Clock::time_point now) {
  const std::uint64_t lost = lost_.load(std::memory_order_acquire);
  std::vector<std::shared_ptr<HoldConnection>> still;
  for (auto& connection : waiting_) {
    const std::uint64_t reached = durable();
    if (lost > reached && connection->waits_for_lost(reached, lost)) {
      cut(connection, counters_.cut_not_durable);
    } else if (connection->held_too_long(reached, now)) {
      cut(connection, counters_.cut_too_long);
    }
    const auto state = connection->pump(reached);
    if (state == HoldConnection::State::kFarewell) {
      leaving_.push_back(std::move(connection));
    } else if (state == HoldConnection::State::kWaitsForDisk || state == HoldConnection::State::kWaitsForSocket) {
      still.push_back(std::move(connection));
    }
  }
  waiting_ = std::move(still);
}

void HoldSender::end_farewells(Clock::time_point now) {
  std::erase_if(leaving_, [&](const auto& connection) {
    connection->pump(durable());
    if (!connection->farewell_done(now)) return false;
    farewells_.fetch_sub(1);
    return true;
  });
}

void HoldSender::cut(const std::shared_ptr<HoldConnection>& connection, Counter& counter) {
  if (!connection->kill()) return;
  counter.add();
  cut_.push_back(connection);
}

// The bytes are gone at once; the devices come back spread over time.
void HoldSender::shut_down_cut(Clock::time_point now) {
  const std::chrono::duration<double> elapsed = now - last_cut_;
  const auto rate = static_cast<double>(limits_.cuts_per_second);
  cut_allowance_ = std::min(rate / 10 + 1, cut_allowance_ + elapsed.count() * rate);
  last_cut_ = now;
  for (; !cut_.empty() && cut_allowance_ >= 1; cut_allowance_ -= 1) {
    cut_.front()->shut_down();
    cut_.pop_front();
  }
}

int HoldSender::next_timeout() const {
  if (!leaving_.empty() || !cut_.empty() || stopping_) return kFarewellMilliseconds;
  return has_work_ ? kIdleMilliseconds : -1;
}

}  // namespace muster::auth_plugin
