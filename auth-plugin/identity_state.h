// SPDX-License-Identifier: Apache-2.0
//
// Purpose: hands the registry's state from the watcher thread to the broker's thread without either waiting.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "auth-plugin/anchor_index.h"
#include "auth-plugin/external_index.h"
#include "edge/identity_view.h"

namespace muster::auth_plugin {

// One state of the registry with its anchors' keys loaded. Immutable.
struct IdentityState {
  std::shared_ptr<const edge::IdentityView> view;
  std::shared_ptr<const AnchorIndex> anchors;
  std::shared_ptr<const ExternalIndex> external;
  std::uint64_t generation = 0;  // 1, 2, … within this process
};

// Which live sessions must be looked at again.
struct Recheck {
  bool everything = false;
  std::vector<TenantId> tenants;
  std::vector<DeviceId> devices;
};

// IdentityExchange: publish() and set_fresh_until() on the watcher thread, the rest on the broker's thread.
class IdentityExchange {
 public:
  void publish(std::shared_ptr<const IdentityState> state, const Recheck& recheck);
  // On the clock of boottime_now(); zero: the state is too old, or its age is not known.
  void set_fresh_until(std::chrono::nanoseconds time) { fresh_until_ = time.count(); }

  // nullptr before the first snapshot. Valid until the next call. Costs one atomic load while nothing is new.
  const IdentityState* current();
  bool is_fresh() const;

  // True from publish() until the broker's thread says that it has worked everything off.
  bool recheck_pending() const { return recheck_pending_.load(std::memory_order_acquire); }
  // The sessions named since the last call; empty where the watcher holds the lock at this moment.
  Recheck take_recheck();
  void recheck_done();

 private:
  std::atomic<std::shared_ptr<const IdentityState>> state_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::int64_t> fresh_until_{0};
  std::atomic<bool> recheck_pending_{false};
  std::mutex mutex_;
  Recheck recheck_;                              // guarded by mutex_
  bool more_ = false;                            // guarded by mutex_: recheck_ holds something
  std::shared_ptr<const IdentityState> cached_;  // confined to the broker's thread
  std::uint64_t cached_generation_ = 0;          // confined to the broker's thread
};

}  // namespace muster::auth_plugin
