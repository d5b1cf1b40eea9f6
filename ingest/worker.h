// SPDX-License-Identifier: Apache-2.0
//
// Purpose: `muster worker`: consumes `raw`, decodes telemetry, produces `normalized` and `dead-letters`. Output and
// input offsets are one transaction, so within the engine every record is processed exactly once, whatever is killed.
// A worker keeps nothing on disk: start as many as you like.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>

#include "core/log.h"
#include "core/metrics.h"
#include "core/result.h"
#include "ingest/log.h"

namespace muster::ingest {

struct WorkerConfig {
  std::string group = "muster-worker";         // 1 to 64 of [A-Za-z0-9._-]
  std::size_t batch_records = 8192;            // 1 to kMaxAppendEntries, one transaction each
  std::chrono::milliseconds poll_wait{200};    // how long a poll waits for the first record
  std::chrono::milliseconds retry_least{100};  // back-off after an error, doubling …
  std::chrono::milliseconds retry_most{5000};  // … up to this
};

// Worker is confined to the thread that calls run. `log` and `metrics` must outlive it.
class Worker {
 public:
  // Reason: worker.config_invalid (detail names the key).
  static Result<std::unique_ptr<Worker>> create(WorkerConfig config, Log& log, MetricsRegistry& metrics);
  virtual ~Worker() = default;
  // run works until `stop` is requested, then gives its partitions back. Errors of the log are retried with back-off.
  virtual void run(std::stop_token stop) = 0;
  // step does one poll and one commit: true when it processed a record. For tests and measurements.
  virtual Result<bool> step() = 0;
};

}  // namespace muster::ingest
