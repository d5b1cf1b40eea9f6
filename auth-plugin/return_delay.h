// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace muster::auth_plugin {

// ReturnDelay says when a device that is cut at its limits may be let in again: at once after the first time, then
// twice as late each time that it comes back only to be cut again. Otherwise its handshakes, which cost more than its
// messages, would take the time of everybody else's.
class ReturnDelay {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kShortest{500};
  static constexpr std::chrono::milliseconds kLongest{8'000};
  static constexpr std::chrono::seconds kForgotten{60};  // after so long without a cut

  void cut(Time now) {
    if (now - last_cut_ > kForgotten) delay_ = {};
    last_cut_ = now;
    until_ = now + delay_;
    delay_ = std::clamp(2 * delay_, kShortest, kLongest);
  }
  Time until() const { return until_; }

 private:
  std::chrono::milliseconds delay_{};  // of the next cut
  Time last_cut_{};
  Time until_{};
};

}  // namespace muster::auth_plugin
