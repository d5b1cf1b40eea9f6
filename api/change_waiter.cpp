// SPDX-License-Identifier: Apache-2.0
#include "api/change_waiter.h"

#include "core/log.h"
#include "db/listener.h"

namespace muster::api {
namespace {

constexpr std::chrono::milliseconds kListenTurn{500};  // how soon stop() is noticed
constexpr std::chrono::milliseconds kReconnectAfter{500};

}  // namespace

ChangeWaiter::ChangeWaiter(std::string database_url)
    : database_url_(std::move(database_url)), thread_([this](const std::stop_token& stop) { listen_loop(stop); }) {}

ChangeWaiter::~ChangeWaiter() { stop(); }

void ChangeWaiter::stop() {
  stopped_ = true;
  thread_.request_stop();
  wake_all();
}

void ChangeWaiter::wake_all() {
  {
    const std::lock_guard lock{mutex_};
    ++generation_;
  }
  changed_.notify_all();
}

void ChangeWaiter::wait(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline, [&] { return generation_ != seen || stopped_; });
}

void ChangeWaiter::listen_loop(const std::stop_token& stop) {
  static const Log log{"api"};
  while (!stop.stop_requested()) {
    auto listener = db::Listener::create(database_url_, db::kChangesChannel);
    wake_all();  // what was notified while nobody listened
    while (listener.ok() && !stop.stop_requested()) {
      const auto notified = (*listener)->wait(kListenTurn);
      if (!notified.ok()) {
        log.warning("change listener lost its connection", {{"error", to_log_text(notified.error())}});
        break;
      }
      if (*notified) wake_all();
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, kReconnectAfter, [] { return false; });
  }
}

}  // namespace muster::api
