// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stop_token>

#include "core/random.h"

namespace muster::edge {

// wait_or_stop waits for `time`, or until `stop` is requested; then it returns false.
inline bool wait_or_stop(std::stop_token stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock{mutex};
  woken.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

// Backoff spreads retries: each waits between half of and the whole of a time that doubles, so that a thousand edges do
// not come back to a restarted server in the same moment.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds least, std::chrono::milliseconds most) : least_(least), most_(most), next_(least) {}
  void reset() { next_ = least_; }
  // False: stop was requested.
  bool wait(std::stop_token stop) {
    std::uint32_t random = 0;
    std::uint8_t octets[sizeof random];
    fill_random(octets);
    std::memcpy(&random, octets, sizeof random);
    const auto half = next_ / 2;
    const auto time = half + std::chrono::milliseconds{random % (half.count() + 1)};
    next_ = std::min(next_ * 2, most_);
    return wait_or_stop(stop, time);
  }

 private:
  const std::chrono::milliseconds least_;
  const std::chrono::milliseconds most_;
  std::chrono::milliseconds next_;
};

// repeat runs `step` again and again until `stop` is requested. Where one fails, `failed` hears why, and the next
// waits.
template <typename Step, typename Failed>
void repeat(std::stop_token stop, Backoff backoff, Step step, Failed failed) {
  while (!stop.stop_requested()) {
    const auto done = step();
    if (done.ok()) {
      backoff.reset();
      continue;
    }
    if (stop.stop_requested()) return;
    failed(done.error());
    if (!backoff.wait(stop)) return;
  }
}

}  // namespace muster::edge
