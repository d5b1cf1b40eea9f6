// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/order_watcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "auth-plugin/signal_mask.h"
#include "edge/trusted_file.h"

namespace muster::auth_plugin {
namespace {

constexpr int kIdleMilliseconds = 1000;  // also until a folder that was not there is looked for again
constexpr int kWakeMilliseconds = 2;     // between two signals to a broker thread that has not reacted yet

}  // namespace

Result<std::unique_ptr<OrderWatcher>> OrderWatcher::start(Config config) {
  UniqueFd inotify{inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  UniqueFd stop{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!inotify || !stop) return internal_error("inotify or eventfd failed");
  std::unique_ptr<OrderWatcher> watcher{new OrderWatcher{std::move(config), std::move(inotify), std::move(stop)}};
  const SignalMask blocked;
  watcher->thread_ = std::jthread([self = watcher.get()](std::stop_token token) { self->run(token); });
  return watcher;
}

OrderWatcher::OrderWatcher(Config config, UniqueFd inotify, UniqueFd stop)
    : config_(std::move(config)), inotify_(std::move(inotify)), stop_event_(std::move(stop)) {}

OrderWatcher::~OrderWatcher() {
  thread_.request_stop();
  eventfd_write(stop_event_.get(), 1);
}

OrderWatcher::Taken OrderWatcher::take() {
  const std::lock_guard lock{mutex_};
  pending_.store(false, std::memory_order_release);
  return std::exchange(taken_, {});
}

void OrderWatcher::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    // Before the files are looked at, so that none comes between; again each time, since a folder may be replaced.
    watching_ = watch();
    if (watching_) look();
    const bool waking = pending();
    if (waking) pthread_kill(config_.broker_thread, SIGURG);
    pollfd events[] = {{inotify_.get(), POLLIN, 0}, {stop_event_.get(), POLLIN, 0}};
    poll(events, 2, waking ? kWakeMilliseconds : kIdleMilliseconds);
    alignas(inotify_event) char buffer[4096];
    while (read(inotify_.get(), buffer, sizeof buffer) > 0) {
    }
  }
}

bool OrderWatcher::watch() {
  return edge::check_trusted_folder(config_.folder, config_.edge_uid).ok() &&
         inotify_add_watch(inotify_.get(), config_.folder.c_str(), IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

void OrderWatcher::look() {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  std::filesystem::directory_iterator entry{config_.folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const auto number = edge::parse_orders_name(entry->path().filename().string());
    if (number && *number >= next_) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  for (const std::uint64_t number : numbers) read_one(number);
}

void OrderWatcher::read_one(std::uint64_t number) {
  const std::string path = config_.folder + "/" + edge::orders_name(number);
  const auto file = edge::read_trusted_file(path, config_.edge_uid, edge::kMaxOrdersBytes);
  auto orders = file.ok() ? edge::decode_orders(*file) : Result<edge::SessionOrders>{file.error()};
  const bool sound = orders.ok() && orders->number == number;
  const bool follows = sound && orders->epoch == epoch_ && number == next_;
  next_ = number + 1;
  if (sound) epoch_ = orders->epoch;
  const std::lock_guard lock{mutex_};
  if (!follows) taken_.missed = true;
  if (sound) std::ranges::move(orders->orders, std::back_inserter(taken_.orders));
  pending_.store(true, std::memory_order_release);
}

}  // namespace muster::auth_plugin
