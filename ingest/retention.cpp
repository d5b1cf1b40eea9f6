// SPDX-License-Identifier: Apache-2.0
#include "ingest/retention.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace muster::ingest {

RetentionKeeper::RetentionKeeper(RetentionConfig config, Log& log, MetricsRegistry& metrics)
    : config_(std::move(config)),
      log_(log),
      removed_(metrics.counter("muster_log_records_removed_total", "Records that were past their stream's keep")),
      failures_(metrics.counter("muster_log_retention_failures_total", "Passes of retention that failed")) {}

Result<std::uint64_t> RetentionKeeper::pass(const std::stop_token& stop) {
  const std::pair<Stream, std::chrono::hours> keeps[] = {{Stream::kRaw, config_.raw},
                                                         {Stream::kNormalized, config_.normalized},
                                                         {Stream::kDeadLetters, config_.dead_letters},
                                                         {Stream::kLifecycle, config_.lifecycle}};
  std::uint64_t removed = 0;
  for (const auto& [stream, keep] : keeps) {
    if (keep.count() == 0) continue;
    for (std::uint64_t more = 1; more > 0 && !stop.stop_requested();) {
      MUSTER_TRY(more, log_.retain(stream, keep, config_.group));
      removed += more;
      removed_.add(more);
    }
  }
  return removed;
}

void RetentionKeeper::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    const auto removed = pass(stop);
    if (!removed.ok()) {
      failures_.add();
      logger_.warning("retention put off", {{"reason", removed.error().reason}, {"detail", removed.error().detail}});
    } else if (*removed > 0) {
      logger_.info("records removed", {{"records", *removed}});
    }
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, config_.period, [] { return false; });
  }
}

}  // namespace muster::ingest
