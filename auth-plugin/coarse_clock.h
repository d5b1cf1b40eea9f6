// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <ctime>

#include "core/clock.h"

namespace muster::auth_plugin {

// CoarseClock is as old as the kernel's last tick (at most 10 ms) and a quarter of the price: for what is asked at
// every message and counts in seconds. Records take their times from a SystemClock.
class CoarseClock final : public Clock {
 public:
  UnixMicros now_micros() const override {
    timespec now{};
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return UnixMicros{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  }
};

// On the clock of std::chrono::steady_clock, behind it by at most the same.
inline std::chrono::steady_clock::time_point coarse_steady_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::steady_clock::time_point(std::chrono::seconds(now.tv_sec) +
                                               std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace muster::auth_plugin
