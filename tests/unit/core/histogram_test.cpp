// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <gtest/gtest.h>

#include <array>

namespace muster {
namespace {

TEST(Histogram, BucketsAreCumulativeAndEndWithTheCount) {
  const std::array<double, 3> bounds = {0.0005, 0.01, 1};
  Histogram histogram{bounds};
  for (const double value : {0.0005, 0.00025, 0.5, 2.0}) histogram.observe(value);
  EXPECT_EQ(histogram.render("x_seconds", "Some time."),
            "# HELP x_seconds Some time.\n"
            "# TYPE x_seconds histogram\n"
            "x_seconds_bucket{le=\"0.0005\"} 2\n"
            "x_seconds_bucket{le=\"0.01\"} 2\n"
            "x_seconds_bucket{le=\"1\"} 3\n"
            "x_seconds_bucket{le=\"+Inf\"} 4\n"
            "x_seconds_sum 2.50075\n"
            "x_seconds_count 4\n");
}

}  // namespace
}  // namespace muster
