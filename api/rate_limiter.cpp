// SPDX-License-Identifier: Apache-2.0
#include "api/rate_limiter.h"

#include <algorithm>

namespace muster::api {

double RateLimiter::level(const Bucket& bucket, Time now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  return std::min(limit_.burst, bucket.tokens + seconds * limit_.per_second);
}

void RateLimiter::drop_full(Time now) {
  std::erase_if(buckets_, [&](const auto& entry) { return level(entry.second, now) >= limit_.burst; });
}

bool RateLimiter::take(const std::string& key, Time now) {
  const std::lock_guard lock{mutex_};
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxKeys) drop_full(now);
    if (buckets_.size() >= kMaxKeys) return false;
    found = buckets_.emplace(key, Bucket{limit_.burst, now}).first;
  }
  Bucket& bucket = found->second;
  bucket.tokens = level(bucket, now);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

}  // namespace muster::api
