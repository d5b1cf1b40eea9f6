// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keeps the snapshot folder what the server says: the whole state once, then changes by long poll, everything
// again when the server calls for it or when the digests of both sides differ. Each answer, an empty one too, is a
// heartbeat. `since` of each poll tells the server how far this edge is.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/log.h"
#include "core/metrics.h"
#include "edge/agent/entity_digest.h"
#include "edge/agent/entity_reader.h"
#include "edge/agent/event_reporter.h"
#include "edge/snapshot_folder_writer.h"
#include "http/client.h"

namespace muster::edge {

struct IdentitySyncConfig {
  std::chrono::milliseconds poll_wait{25'000};  // how long the server may hold a poll; at most 30,000
  std::chrono::milliseconds digest_period{60'000};
  std::chrono::milliseconds least_backoff{200};
  std::chrono::milliseconds most_backoff{15'000};
};

// run() is confined to one thread; the queries are thread-safe.
class IdentitySync {
 public:
  IdentitySync(IdentitySyncConfig config, SnapshotFolderWriter folder, http::Client client, EventReporter& events,
               MetricsRegistry& metrics);
  void run(std::stop_token stop);

  bool has_snapshot() const { return has_snapshot_; }
  // Since the server last answered; nullopt before the first time.
  std::optional<std::chrono::seconds> since_last_answer() const;

 private:
  struct StreamFrame {
    StreamBegin begin;
    StreamEnd end;
  };
  struct Stream : StreamFrame {
    std::vector<IdentityChange> entities;
  };
  using TakeEntity = std::function<Result<void>(IdentityChange&&)>;
  Result<void> step();
  Result<void> load_everything();
  Result<void> follow();
  Result<void> apply(const Stream& stream);
  Result<void> pass_on_heartbeat(const StreamBegin& begin);
  Result<void> compare_digests();
  bool equals_without_expired(EntityDigest ours, const std::string& theirs) const;
  Result<StreamFrame> fetch(const std::string& target, std::chrono::milliseconds read_timeout, int& status,
                            const TakeEntity& take);
  void remember_digest();
  void forget_expired();
  void answered();
  void show_position();

  const IdentitySyncConfig config_;
  SnapshotFolderWriter folder_;
  http::Client client_;
  EventReporter& events_;
  const Log log_{"edge.sync"};
  EntityDigest digest_;  // of folder_.view()
  // Digests at the last positions: the server's may be of one that we have left.
  std::deque<std::pair<StreamPosition, EntityDigest>> past_digests_;
  bool reload_ = false;
  std::chrono::steady_clock::time_point digest_due_{};
  std::chrono::steady_clock::time_point next_poll_{};
  std::atomic<bool> has_snapshot_{false};
  std::atomic<std::int64_t> answered_at_{-1};  // CLOCK_BOOTTIME, seconds
  Counter& reloads_;
  Counter& changes_;
  Counter& failures_;
  Counter& digest_mismatches_;
  Counter& unsigned_heartbeats_;
  Gauge& position_;
};

}  // namespace muster::edge
