// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "core/time.h"

namespace muster {

// Clock is the only source of wall-clock time: it is handed to whoever needs it, so that tests fix the time.
// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMicros now_micros() const = 0;
  UtcTime now() const {
    return std::chrono::floor<std::chrono::seconds>(
        std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{now_micros()}});
  }
};

class SystemClock final : public Clock {
 public:
  UnixMicros now_micros() const override;
};

// boottime_now reads CLOCK_BOOTTIME: it counts while the machine sleeps and does not follow steps of the wall clock.
std::chrono::nanoseconds boottime_now();

}  // namespace muster
