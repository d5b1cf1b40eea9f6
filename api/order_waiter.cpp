// SPDX-License-Identifier: Apache-2.0
#include "api/order_waiter.h"

#include "core/log.h"
#include "db/listener.h"

namespace muster::api {
namespace {

constexpr std::chrono::milliseconds kListenTurn{500};  // how soon stop() is noticed
constexpr std::chrono::milliseconds kReconnectAfter{500};

}  // namespace

OrderWaiter::OrderWaiter(std::string database_url)
    : database_url_(std::move(database_url)), thread_([this](const std::stop_token& stop) { listen_loop(stop); }) {}

OrderWaiter::~OrderWaiter() { stop(); }

void OrderWaiter::stop() {
  stopped_ = true;
  thread_.request_stop();
  wake_all();
}

std::uint64_t OrderWaiter::generation_locked(const EdgeId& edge) const {
  const auto found = of_one_.find(edge);
  return of_all_ + (found == of_one_.end() ? 0 : found->second);
}

std::uint64_t OrderWaiter::generation(const EdgeId& edge) const {
  const std::lock_guard lock{mutex_};
  return generation_locked(edge);
}

void OrderWaiter::wait(const EdgeId& edge, std::uint64_t seen, std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock{mutex_};
  changed_.wait_until(lock, deadline, [&] { return generation_locked(edge) != seen || stopped_; });
}

void OrderWaiter::wake(const std::string& edge) {
  const auto id = EdgeId::parse(edge);
  if (!id.ok()) return;
  {
    const std::lock_guard lock{mutex_};
    ++of_one_[*id];
  }
  changed_.notify_all();
}

void OrderWaiter::wake_all() {
  {
    const std::lock_guard lock{mutex_};
    ++of_all_;
  }
  changed_.notify_all();
}

void OrderWaiter::listen_loop(const std::stop_token& stop) {
  static const Log log{"api"};
  while (!stop.stop_requested()) {
    auto listener = db::Listener::create(database_url_, db::kOrdersChannel);
    wake_all();  // what was notified while nobody listened
    while (listener.ok() && !stop.stop_requested()) {
      const auto edges = (*listener)->wait_for_payloads(kListenTurn);
      if (!edges.ok()) {
        log.warning("order listener lost its connection", {{"error", to_log_text(edges.error())}});
        break;
      }
      for (const std::string& edge : *edges) wake(edge);
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, kReconnectAfter, [] { return false; });
  }
}

}  // namespace muster::api
