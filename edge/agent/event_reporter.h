// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what happens on the edge and the server's people should know, sent in batches to POST /v1/edge/events and
// repeated until the server has it (it knows an event by its id). Events are kept in memory: those that the server has
// not taken when the edge stops are in its log only.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/log.h"
#include "core/metrics.h"
#include "core/time.h"
#include "http/client.h"

namespace muster::edge {

inline constexpr std::size_t kMaxWaitingEvents = 1000;  // beyond it the oldest is dropped and counted
inline constexpr std::size_t kMaxEventsInBatch = 100;

// Thread-safe.
class EventReporter {
 public:
  EventReporter(http::Client client, MetricsRegistry& metrics);
  // `type` is a stable dotted constant, for example "wal.records_lost".
  void report(std::string_view type, std::string detail);
  // Sends until `stop`.
  void run(std::stop_token stop);

 private:
  struct Event {
    std::string id;
    std::string type;
    UnixMicros at = 0;
    std::string detail;
  };
  bool send(const std::deque<Event>& batch);

  http::Client client_;
  Counter& sent_;
  Counter& dropped_;
  const Log log_{"edge.events"};
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<Event> waiting_;  // guarded by mutex_
};

}  // namespace muster::edge
