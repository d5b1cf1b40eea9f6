// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace muster::api {

// ChangeWaiter lets any number of long polls wait for one LISTEN connection. A notification is a hint to look: after a
// lost connection everybody is told to look as well. Thread-safe.
class ChangeWaiter {
 public:
  explicit ChangeWaiter(std::string database_url);
  ~ChangeWaiter();

  // Read it before looking at the database, wait with it after.
  std::uint64_t generation() const { return generation_.load(); }
  // Returns when the generation is not `seen` any more, at `deadline`, or when stop() was called.
  void wait(std::uint64_t seen, std::chrono::steady_clock::time_point deadline);
  void stop();

 private:
  void listen_loop(const std::stop_token& stop);
  void wake_all();

  const std::string database_url_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace muster::api
