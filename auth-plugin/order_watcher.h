// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/metrics.h"
#include "core/unique_fd.h"
#include "edge/session_orders.h"

namespace muster::auth_plugin {

// OrderWatcher follows the folder of orders (edge/session_orders.h) in a thread of its own, and wakes the broker's
// thread by SIGURG until it has taken what came. What is no orders file of the edge's is as good as a gap.
class OrderWatcher {
 public:
  struct Config {
    std::string folder;  // need not exist yet
    uid_t edge_uid = 0;
    pthread_t broker_thread{};
  };
  // Reason: internal.
  static Result<std::unique_ptr<OrderWatcher>> start(Config config);
  ~OrderWatcher();

  struct Taken {
    std::vector<edge::SessionOrder> orders;
    bool missed = false;  // some orders never came: tell of all sessions again
  };
  // On the broker's thread.
  bool pending() const { return pending_.load(std::memory_order_acquire); }
  Taken take();

 private:
  OrderWatcher(Config config, UniqueFd inotify, UniqueFd stop);
  void run(std::stop_token stop);
  bool watch();
  void look();
  void read_one(std::uint64_t number);

  const Config config_;
  UniqueFd inotify_;
  UniqueFd stop_event_;
  RawId epoch_;             // confined to the thread
  std::uint64_t next_ = 0;  // confined to the thread
  bool watching_ = false;   // confined to the thread
  std::atomic<bool> pending_{false};
  std::mutex mutex_;
  Taken taken_;  // guarded by mutex_
  std::jthread thread_;
};

}  // namespace muster::auth_plugin
