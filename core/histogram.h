// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

// Histogram counts observations by size. Thread-safe, without locks. Beside the counters and gauges of core/metrics.h,
// whose text its own follows.
class Histogram {
 public:
  // `bounds`: upper bounds, inclusive, ascending; what is larger is counted as well.
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);
  // In Prometheus text form (exposition format 0.0.4): buckets are cumulative, +Inf holds all.
  std::string render(std::string_view name, std::string_view help) const;

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // of each bucket alone; the last: larger than all bounds
  std::atomic<double> sum_{0};
};

}  // namespace muster
