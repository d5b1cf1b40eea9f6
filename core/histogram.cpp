// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <algorithm>
#include <cstdio>

namespace muster {

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()), counts_(bounds.size() + 1) {}

void Histogram::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
  }
}

std::string Histogram::render(std::string_view name, std::string_view help) const {
  const std::string text(name);
  std::string out = "# HELP " + text + " " + std::string(help) + "\n# TYPE " + text + " histogram\n";
  char number[40];
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    if (i < bounds_.size()) std::snprintf(number, sizeof number, "%g", bounds_[i]);
    out += text + "_bucket{le=\"" + (i < bounds_.size() ? number : "+Inf") + "\"} " + std::to_string(total) + "\n";
  }
  std::snprintf(number, sizeof number, "%.17g", sum_.load(std::memory_order_relaxed));
  out += text + "_sum " + number + "\n" + text + "_count " + std::to_string(total) + "\n";
  return out;
}

}  // namespace muster
