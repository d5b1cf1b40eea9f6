// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/hold_connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "auth-plugin/hold_sender.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kCompactAfter = 64 * 1024;

}  // namespace

HoldConnection::~HoldConnection() {
  drop_locked();
  if (orphan_ && fd_ >= 0) ::close(fd_);
}

HoldConnection::Offer HoldConnection::offer(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (dead_ || fd_ < 0) return Offer::kHeld;  // swallowed: the connection is being cut
  const std::uint64_t needed = needed_.load(std::memory_order_acquire);
  const State state = pump_locked(sender_.durable());
  if (dead_) return Offer::kHeld;
  if (state == State::kIdle && needed <= sender_.durable()) return Offer::kPass;
  if (state == State::kWaitsForSocket) {
    sender_.watch_socket(*this, fd_);
    return Offer::kRetry;
  }
  const bool too_large = buffer_.size() - sent_ + bytes.size() > sender_.limits_.connection_bytes ||
                         sender_.held_bytes() + bytes.size() > sender_.limits_.total_bytes;
  if (too_large) {
    drop_locked();
    dead_ = true;
    sender_.counters_.cut_too_large.add();
    ::shutdown(fd_, SHUT_RDWR);
    return Offer::kHeld;
  }
  if (marks_.empty()) since_ = std::chrono::steady_clock::now();
  buffer_.append(bytes);
  sender_.held_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed);
  if (!marks_.empty() && marks_.back().needed == needed) {
    marks_.back().end = buffer_.size();
  } else {
    marks_.push_back({needed, buffer_.size()});
  }
  if (!listed_) {
    listed_ = true;
    sender_.list(shared_from_this());
  }
  // The commit may have ended between the first look and the listing: then nobody else would send this.
  if (pump_locked(sender_.durable()) == State::kWaitsForSocket) sender_.watch_socket(*this, fd_);
  return Offer::kHeld;
}

void HoldConnection::close() {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0 || orphan_) return;
  sender_.forget_socket(fd_);
  if (!dead_ && !discard_) pump_locked(sender_.durable());
  const bool leaves = !dead_ && !discard_ && !marks_.empty() && sender_.take_farewell_place();
  const int copy = leaves ? fcntl(fd_, F_DUPFD_CLOEXEC, 0) : -1;
  if (leaves && copy < 0) sender_.farewells_.fetch_sub(1);
  fd_ = copy;
  if (copy < 0) {
    drop_locked();
    dead_ = true;
    return;
  }
  orphan_ = true;
  since_ = std::chrono::steady_clock::now();
  if (!listed_) {
    listed_ = true;
    sender_.list(shared_from_this());
  }
}

void HoldConnection::discard_held() {
  const std::lock_guard lock(mutex_);
  discard_ = true;
  if (!marks_.empty()) {
    // A TLS stream with a hole is of no use to the peer: nothing may follow what was dropped.
    drop_locked();
    dead_ = true;
  }
}

void HoldConnection::shut_down() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

bool HoldConnection::kill() {
  const std::lock_guard lock(mutex_);
  if (dead_) return false;
  drop_locked();
  dead_ = true;
  return true;
}

HoldConnection::State HoldConnection::pump(std::uint64_t durable) {
  const std::lock_guard lock(mutex_);
  const State state = pump_locked(durable);
  if (state == State::kWaitsForSocket) sender_.watch_socket(*this, fd_);
  if (orphan_) return State::kFarewell;  // stays listed, so that it is taken over once only
  if (state == State::kIdle || state == State::kEnded) listed_ = false;
  return state;
}

bool HoldConnection::waits_for_lost(std::uint64_t durable, std::uint64_t lost) const {
  const std::lock_guard lock(mutex_);
  for (const Mark& mark : marks_) {
    if (mark.needed > durable && mark.needed <= lost) return true;
  }
  return false;
}

bool HoldConnection::held_too_long(std::uint64_t durable, std::chrono::steady_clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return !orphan_ && !marks_.empty() && marks_.front().needed > durable && now - since_ > longest_hold_;
}

bool HoldConnection::farewell_done(std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!orphan_ || fd_ < 0) return true;
  const bool late = now - since_ > sender_.limits_.farewell_time;
  bool ended = false;
  if (marks_.empty() && !late && !dead_) {
    if (!finished_) ::shutdown(fd_, SHUT_WR);
    finished_ = true;
    char scrap[4096];
    ssize_t got = 0;
    int rounds = 16;  // a peer that keeps sending does not keep this thread
    do got = ::recv(fd_, scrap, sizeof scrap, MSG_DONTWAIT);
    while (got > 0 && --rounds > 0);
    ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }
  if (!ended && !late && !dead_) return false;
  if (!marks_.empty()) sender_.counters_.farewells_dropped.add();
  sender_.forget_socket(fd_);
  ::close(fd_);
  fd_ = -1;
  drop_locked();
  dead_ = true;
  return true;
}

// releasable_locked returns the offset up to which everything is durable.
std::size_t HoldConnection::releasable_locked(std::uint64_t durable) {
  std::size_t end = sent_;
  for (const Mark& mark : marks_) {
    if (mark.needed > durable) break;
    end = mark.end;
  }
  return end;
}

HoldConnection::State HoldConnection::pump_locked(std::uint64_t durable) {
  if (dead_ || fd_ < 0) return State::kEnded;
  if (marks_.empty()) return State::kIdle;
  const std::size_t end = releasable_locked(durable);
  const std::size_t before = sent_;
  while (sent_ < end) {
    const ssize_t n = ::send(fd_, buffer_.data() + sent_, end - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) {  // the peer is gone: the broker reads that from the socket too
      drop_locked();
      dead_ = true;
      return State::kEnded;
    }
    sent_ += static_cast<std::size_t>(n);
  }
  if (sent_ != before) {
    sender_.held_bytes_.fetch_sub(sent_ - before, std::memory_order_relaxed);
    sender_.counters_.released_bytes.add(sent_ - before);
    if (!orphan_) since_ = std::chrono::steady_clock::now();
  }
  const bool blocked = sent_ < end;
  while (!marks_.empty() && marks_.front().end <= sent_) marks_.pop_front();
  compact_locked();
  if (marks_.empty()) return State::kIdle;
  return blocked ? State::kWaitsForSocket : State::kWaitsForDisk;
}

void HoldConnection::drop_locked() {
  sender_.held_bytes_.fetch_sub(buffer_.size() - sent_, std::memory_order_relaxed);
  buffer_.clear();
  buffer_.shrink_to_fit();
  marks_.clear();
  sent_ = 0;
}

void HoldConnection::compact_locked() {
  if (marks_.empty()) {
    buffer_.clear();
    sent_ = 0;
    return;
  }
  if (sent_ < kCompactAfter || sent_ * 2 < buffer_.size()) return;
  buffer_.erase(0, sent_);
  for (Mark& mark : marks_) mark.end -= sent_;
  sent_ = 0;
}

}  // namespace muster::auth_plugin
