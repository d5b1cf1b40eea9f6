// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/identity_state.h"

#include <utility>

#include "core/clock.h"

namespace muster::auth_plugin {

void IdentityExchange::publish(std::shared_ptr<const IdentityState> state, const Recheck& recheck) {
  const std::uint64_t generation = state->generation;
  state_.store(std::move(state));
  generation_.store(generation, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  recheck_.everything = recheck_.everything || recheck.everything;
  recheck_.tenants.insert(recheck_.tenants.end(), recheck.tenants.begin(), recheck.tenants.end());
  recheck_.devices.insert(recheck_.devices.end(), recheck.devices.begin(), recheck.devices.end());
  more_ = true;
  recheck_pending_.store(true, std::memory_order_release);
}

const IdentityState* IdentityExchange::current() {
  const std::uint64_t generation = generation_.load(std::memory_order_acquire);
  if (generation != cached_generation_) {
    // The watcher keeps the old state alive until nobody uses it: freeing a large view is not this thread's work.
    cached_ = state_.load();
    cached_generation_ = cached_->generation;
  }
  return cached_.get();
}

bool IdentityExchange::is_fresh() const {
  return boottime_now().count() < fresh_until_.load(std::memory_order_relaxed);
}

Recheck IdentityExchange::take_recheck() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return {};
  more_ = false;
  return std::exchange(recheck_, {});
}

void IdentityExchange::recheck_done() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && !more_) recheck_pending_.store(false, std::memory_order_release);
}

}  // namespace muster::auth_plugin
