// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace muster::api {

struct RateLimit {
  double per_second = 100;
  double burst = 500;
};

// RateLimiter is a token bucket per key (a bearer token's id, a source address). Thread-safe. It holds at most
// kMaxKeys buckets; full ones are dropped first, as they say nothing.
class RateLimiter {
 public:
  static constexpr std::size_t kMaxKeys = 20'000;
  using Time = std::chrono::steady_clock::time_point;

  explicit RateLimiter(RateLimit limit) : limit_(limit) {}
  // False: over the limit. Where there is no room for another key the answer is false as well.
  bool take(const std::string& key, Time now);

 private:
  struct Bucket {
    double tokens;
    Time filled;
  };
  double level(const Bucket& bucket, Time now) const;
  void drop_full(Time now);  // with mutex_ held

  const RateLimit limit_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;  // guarded by mutex_
};

}  // namespace muster::api
