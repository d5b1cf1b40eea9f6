// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace muster::auth_plugin {

// TokenBucket lets `rate` pass a second and `burst` at once. What is larger than the burst passes when the bucket is
// full; what that overdraws must flow in again first. Rate and burst are given at each call: they may change at any
// time.
class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  bool take(double amount, double rate, double burst, Time now) {
    if (last_ == Time{}) level_ = burst;
    const std::chrono::duration<double> elapsed = std::max(now - last_, Time::duration::zero());
    level_ = std::min(burst, level_ + elapsed.count() * rate);
    last_ = std::max(now, last_);
    if (level_ < std::min(amount, burst)) return false;
    level_ -= amount;
    return true;
  }

 private:
  double level_ = 0;
  Time last_{};  // nothing yet: full
};

// PacedBucket is a TokenBucket of one rate and one burst, from which single tokens are taken.
class PacedBucket {
 public:
  PacedBucket(double rate, double burst) : rate_(rate), burst_(burst) {}
  bool take(TokenBucket::Time now) { return bucket_.take(1, rate_, burst_, now); }

 private:
  TokenBucket bucket_;
  double rate_;
  double burst_;
};

}  // namespace muster::auth_plugin
