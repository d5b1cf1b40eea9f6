// SPDX-License-Identifier: Apache-2.0
//
// Purpose: waiting for a state in a test: poll with a deadline, never sleep and hope.
#pragma once

#include <chrono>
#include <thread>

namespace muster::test_support {

// eventually polls `condition` every 2 ms until it holds; false when it does not by the deadline.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition, std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace muster::test_support
