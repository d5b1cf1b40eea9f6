// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "core/id.h"

namespace muster::api {

// OrderWaiter lets the long polls of edges wait for orders over one LISTEN connection; only those of the edge that a
// notification names wake. After a lost connection all are told to look. Thread-safe.
class OrderWaiter {
 public:
  explicit OrderWaiter(std::string database_url);
  ~OrderWaiter();

  // Read it before looking at the database, wait with it after.
  std::uint64_t generation(const EdgeId& edge) const;
  // Returns when the edge's generation is not `seen` any more, at `deadline`, or when stop() was called.
  void wait(const EdgeId& edge, std::uint64_t seen, std::chrono::steady_clock::time_point deadline);
  void stop();

 private:
  void listen_loop(const std::stop_token& stop);
  void wake(const std::string& edge);
  void wake_all();
  std::uint64_t generation_locked(const EdgeId& edge) const;

  const std::string database_url_;
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint64_t of_all_ = 0;                // guarded by mutex_
  std::map<EdgeId, std::uint64_t> of_one_;  // guarded by mutex_; an entry for each edge that ever had orders
  std::jthread thread_;
};

}  // namespace muster::api
