// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <stop_token>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "ingest/log.h"

namespace muster::ingest {

struct RetentionConfig {
  // By append time; zero keeps for ever.
  std::chrono::hours raw{7 * 24};
  std::chrono::hours normalized{7 * 24};
  std::chrono::hours dead_letters{30 * 24};
  std::chrono::hours lifecycle{30 * 24};
  std::string group = "muster-worker";  // what it has not committed of raw stays, however old
  std::chrono::seconds period{600};
};

// RetentionKeeper makes the log forget what is past its keep, a little at a time. Several may run at once.
class RetentionKeeper {
 public:
  // `log` and `metrics` must outlive it.
  RetentionKeeper(RetentionConfig config, Log& log, MetricsRegistry& metrics);
  // Works until `stop` is requested. A failure waits for the next period.
  void run(std::stop_token stop);
  // One pass over all streams. Returns the records removed. Reasons: those of Log::retain.
  Result<std::uint64_t> pass(const std::stop_token& stop);

 private:
  const RetentionConfig config_;
  Log& log_;
  const muster::Log logger_{"retention"};
  Counter& removed_;
  Counter& failures_;
};

}  // namespace muster::ingest
