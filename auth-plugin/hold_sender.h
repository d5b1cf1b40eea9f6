// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth-plugin/hold_connection.h"
#include "core/metrics.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::auth_plugin {

// HoldSender sends what HoldConnections hold, as soon as it is durable, from a thread of its own (all signals blocked).
// It waits for sockets with its own epoll, so no connection's progress depends on another's traffic.
// Thread-safe. Outlives its connections.
class HoldSender {
 public:
  struct Counters {
    Counter& released_bytes;
    Counter& cut_not_durable;
    Counter& cut_too_long;
    Counter& cut_too_large;
    Counter& farewells_dropped;
  };
  // Reason: internal.
  static Result<std::unique_ptr<HoldSender>> start(HoldLimits limits, Counters counters);
  ~HoldSender();

  // From the WAL's committer thread.
  void on_durable(std::uint64_t durable);
  // The WAL's mark, as told last.
  std::uint64_t durable() const { return durable_.load(std::memory_order_seq_cst); }
  void on_failure(std::uint64_t lost);
  // Sends what is still held by closed connections, for at most the farewell time, then ends the thread.
  void stop();

  std::uint64_t held_bytes() const { return held_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class HoldConnection;
  using Clock = std::chrono::steady_clock;
  HoldSender(HoldLimits limits, Counters counters, UniqueFd epoll, UniqueFd wake);

  // From HoldConnection, with its mutex held.
  void list(const std::shared_ptr<HoldConnection>& connection);
  void watch_socket(HoldConnection& connection, int fd);
  void forget_socket(int fd);
  bool take_farewell_place();

  void run();
  void collect();
  void pump_waiting(Clock::time_point now);
  void end_farewells(Clock::time_point now);
  void cut(const std::shared_ptr<HoldConnection>& connection, Counter& counter);
  void shut_down_cut(Clock::time_point now);
  int next_timeout() const;

  const HoldLimits limits_;
  Counters counters_;
  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> held_bytes_{0};
  std::atomic<std::size_t> farewells_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> has_work_{false};  // something is held: a commit must wake the thread
  std::mutex mutex_;
  std::vector<std::shared_ptr<HoldConnection>> listed_;  // guarded by mutex_
  // Confined to the thread:
  std::vector<std::shared_ptr<HoldConnection>> waiting_;
  std::vector<std::shared_ptr<HoldConnection>> leaving_;
  std::deque<std::shared_ptr<HoldConnection>> cut_;
  double cut_allowance_ = 0;
  Clock::time_point last_cut_{};
  Clock::time_point stop_deadline_{};
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
