// SPDX-License-Identifier: Apache-2.0
//
// Purpose: moves durable records from the WAL into the log. Incarnations go one after another, oldest first, and each
// in order of its sequences, so that a device's records keep their order. Where to resume is asked of the log at the
// start and after each error, never remembered: the log may have gone back (fail-over, restore), and what is still here
// is then sent again.
//
// Segments that the log holds are renamed from .wal to .stored and kept for a while for that case (wal_retention.h).
// Confined to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"
#include "edge/agent/event_reporter.h"
#include "edge/agent/wal_retention.h"
#include "edge/wal_reader.h"
#include "ingest/log.h"

namespace muster::edge {

struct ShipperConfig {
  std::string wal_folder;
  WalRetentionConfig retention;
  std::size_t batch_records = 10'000;
  std::size_t batch_octets = 8U << 20;
  std::chrono::milliseconds idle_wait{10};  // between looks at a WAL that had nothing new
  // After an append that took t, records gather for up to 4t but no longer than this: an append costs the database some
  // hundred microseconds for each partition, whether it brings one record or a thousand.
  std::chrono::milliseconds most_gathering{100};
  std::chrono::milliseconds least_backoff{200};
  std::chrono::milliseconds most_backoff{5'000};
};

class Shipper {
 public:
  Shipper(ShipperConfig config, ingest::Appender& log, EventReporter& events, MetricsRegistry& metrics);
  void run(std::stop_token stop);

 private:
  Result<void> ship_all(std::stop_token stop);
  Result<void> ship(const IncarnationId& incarnation, std::stop_token stop);
  std::chrono::milliseconds pause_after(const WalBatch& batch, std::chrono::steady_clock::duration took) const;
  Result<void> append(const IncarnationId& incarnation, const WalBatch& batch);
  Result<void> append_one_by_one(const IncarnationId& incarnation, std::span<const ingest::AppendEntry> entries,
                                 Error why);
  Result<void> append_entries(const IncarnationId& incarnation, std::span<const ingest::AppendEntry> entries);
  std::vector<ingest::AppendEntry> entries_of(const WalBatch& batch);
  void report_gaps(const IncarnationId& incarnation, const WalBatch& batch);
  void tidy(const IncarnationId& incarnation, std::uint64_t through, bool finished);

  const ShipperConfig config_;
  ingest::Appender& appender_;
  EventReporter& events_;
  WalRetention retention_;
  const Log log_{"edge.shipper"};
  std::set<IncarnationId> done_;  // whole in the log since it was last asked, or refused by it
  std::deque<std::string> keys_;  // what the entries of the present batch view
  std::chrono::steady_clock::time_point tidy_due_{};
  Counter& shipped_;
  Counter& duplicates_;
  Counter& lost_;
  Counter& refused_;
  Counter& failures_;
  Gauge& position_;
};

}  // namespace muster::edge
