// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/identity_watcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth-plugin/signal_mask.h"
#include "core/clock.h"

namespace muster::auth_plugin {
namespace {

constexpr int kIdleMilliseconds = 1000;  // freshness is looked at this often
constexpr int kWakeMilliseconds = 2;     // between two signals to a broker thread that has not reacted yet

}  // namespace

Result<std::unique_ptr<IdentityWatcher>> IdentityWatcher::start(Config config, IdentityExchange& exchange) {
  MUSTER_TRY(auto folder, edge::SnapshotFolder::create(config.folder));
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return internal_error("eventfd failed");
  std::unique_ptr<IdentityWatcher> watcher(
      new IdentityWatcher(std::move(config), exchange, std::move(folder), std::move(stop)));
  watcher->refresh();
  const SignalMask blocked;
  watcher->thread_ = std::jthread([self = watcher.get()](std::stop_token token) { self->run(token); });
  return watcher;
}

IdentityWatcher::IdentityWatcher(Config config, IdentityExchange& exchange,
                                 std::unique_ptr<edge::SnapshotFolder> folder, UniqueFd stop)
    : config_(std::move(config)), exchange_(exchange), folder_(std::move(folder)), stop_event_(std::move(stop)) {}

IdentityWatcher::~IdentityWatcher() {
  thread_.request_stop();
  eventfd_write(stop_event_.get(), 1);
}

std::string_view IdentityWatcher::last_failure() const {
  const std::string_view* failure = failure_.load(std::memory_order_acquire);
  return failure ? *failure : std::string_view();
}

void IdentityWatcher::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const bool waking = exchange_.recheck_pending();
    if (waking) pthread_kill(config_.broker_thread, SIGURG);
    pollfd events[] = {{folder_->wait_fd(), POLLIN, 0}, {stop_event_.get(), POLLIN, 0}};
    const int ready = poll(events, 2, waking ? kWakeMilliseconds : kIdleMilliseconds);
    if (events[0].revents != 0 || ready == 0) {
      if (!waking || events[0].revents != 0) refresh();
    }
  }
}

void IdentityWatcher::refresh() {
  auto update = folder_->refresh();
  std::optional<Error> failure;
  if (!update.ok()) {
    failure = update.error();
  } else if (update->has_value()) {
    failure = std::move((*update)->refused);
    publish(std::move(**update));
  }
  if (failure) {
    set_failure(*failure);
  } else {
    failure_.store(nullptr, std::memory_order_release);
  }
  update_freshness();
  folder_->settle();
}

void IdentityWatcher::set_failure(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failure_detail_ = error.detail;
  }
  auto known = std::ranges::find_if(failures_, [&](const auto& failure) { return *failure == error.reason; });
  if (known == failures_.end()) known = failures_.insert(known, std::make_unique<std::string_view>(error.reason));
  const std::string_view* reason = known->get();
  if (failure_.exchange(reason, std::memory_order_acq_rel) != reason) ++refusals_;
}

std::string IdentityWatcher::last_failure_detail() const {
  const std::lock_guard lock(mutex_);
  return failure_detail_;
}

void IdentityWatcher::publish(edge::ViewUpdate update) {
  if (!anchors_ || update.everything || update.issuers) {
    anchors_ = AnchorIndex::build(*update.view, anchors_.get());
    external_ = ExternalIndex::build(*update.view, external_.get());
  }
  snapshot_number_ = update.view->position().number;
  const auto state =
      std::make_shared<const IdentityState>(IdentityState{update.view, anchors_, external_, ++generation_});
  published_.push_back(state);
  exchange_.publish(state, Recheck{update.everything, std::move(update.tenants), std::move(update.devices)});
}

void IdentityWatcher::update_freshness() {
  const auto age = folder_->age_seconds();
  age_seconds_ = age ? static_cast<std::int64_t>(*age) : -1;
  const std::uint64_t most = config_.folder.max_age_seconds;
  exchange_.set_fresh_until(age && *age < most ? boottime_now() + std::chrono::seconds(most - *age)
                                               : std::chrono::nanoseconds(0));
  // The newest is in use by the exchange itself; older ones go when the broker's thread has moved on.
  while (published_.size() > 1 && published_.front().use_count() == 1) published_.erase(published_.begin());
}

}  // namespace muster::auth_plugin
