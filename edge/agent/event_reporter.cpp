// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/event_reporter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/id.h"
#include "edge/agent/backoff.h"

namespace muster::edge {

EventReporter::EventReporter(http::Client client, MetricsRegistry& metrics)
    : client_(std::move(client)),
      sent_(metrics.counter("muster_edge_events_sent_total", "Events that the server took")),
      dropped_(metrics.counter("muster_edge_events_dropped_total", "Events dropped or refused by the server")) {}

void EventReporter::report(std::string_view type, std::string detail) {
  log_.warning("event", {{"type", type}, {"detail", detail}});
  {
    const std::lock_guard lock{mutex_};
    if (waiting_.size() >= kMaxWaitingEvents) {
      waiting_.pop_front();
      dropped_.add();
    }
    waiting_.push_back(
        {to_uuid_text(random_raw_id()), std::string{type}, SystemClock{}.now_micros(), std::move(detail)});
  }
  arrived_.notify_one();
}

void EventReporter::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  Backoff backoff{std::chrono::milliseconds{500}, std::chrono::seconds{30}};
  while (!stop.stop_requested()) {
    std::deque<Event> batch;
    {
      std::unique_lock lock{mutex_};
      if (!arrived_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxEventsInBatch));
      batch.assign(waiting_.begin(), waiting_.begin() + count);
      waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    }
    while (!send(batch)) {
      if (!backoff.wait(stop)) return;
    }
    backoff.reset();
  }
}

bool EventReporter::send(const std::deque<Event>& batch) {
  nlohmann::json events = nlohmann::json::array();
  for (const Event& event : batch) {
    events.push_back(
        {{"id", event.id}, {"type", event.type}, {"at", to_rfc3339_micros(event.at)}, {"detail", event.detail}});
  }
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/edge/events";
  request.body =
      nlohmann::json{{"events", std::move(events)}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto answer = client_.send(request);
  if (!answer.ok()) return false;
  if (answer->status / 100 == 2) {
    sent_.add(batch.size());
    return true;
  }
  // What the server calls malformed will not become better; anything else may pass.
  if (answer->status != 400 && answer->status != 413 && answer->status != 422) return false;
  dropped_.add(batch.size());
  log_.error("server refused events", {{"status", answer->status}});
  return true;
}

}  // namespace muster::edge
