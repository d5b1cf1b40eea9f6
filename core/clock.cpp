// SPDX-License-Identifier: Apache-2.0
#include "core/clock.h"

#include <ctime>

namespace muster {

UnixMicros SystemClock::now_micros() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return UnixMicros{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

std::chrono::nanoseconds boottime_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

}  // namespace muster
