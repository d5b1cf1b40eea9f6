// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace muster::db {

inline constexpr std::string_view kChangesChannel = "muster_changes";
inline constexpr std::string_view kOrdersChannel = "muster_orders";  // payload: id of the edge

// Listener waits for NOTIFY on one channel over a connection of its own. A notification is a hint to look, never the
// news itself: whoever waits must also look once after create() and after every error. Confined to one thread.
class Listener {
 public:
  // Reason: database.unavailable.
  static Result<std::unique_ptr<Listener>> create(const std::string& url, std::string_view channel);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Returns true when at least one notification came, false when `timeout` passed. All that are waiting are taken at
  // once. Reason: database.unavailable (the connection broke: make a new Listener).
  Result<bool> wait(std::chrono::milliseconds timeout);
  // The same with what the notifications say; empty when `timeout` passed.
  Result<std::vector<std::string>> wait_for_payloads(std::chrono::milliseconds timeout);

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::db
