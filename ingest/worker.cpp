// SPDX-License-Identifier: Apache-2.0
#include "ingest/worker.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "ingest/group_name.h"
#include "ingest/normalizer.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

// A short payload of many readings becomes far longer events: a device must not be able to fill the worker's memory.
constexpr std::size_t kMaxTransactionOctets = 64u << 20;

class LogWorker final : public Worker {
 public:
  LogWorker(WorkerConfig config, Log& log, MetricsRegistry& metrics)
      : config_(std::move(config)),
        metrics_(metrics),
        records_(metrics.counter("muster_worker_records_total", "Raw records processed and committed")),
        dead_letters_(metrics.counter("muster_worker_dead_letters_total", "Records that could not be decoded")),
        commits_(metrics.counter("muster_worker_commits_total", "Transactions committed")),
        last_batch_(metrics.gauge("muster_worker_last_batch_records", "Records in the newest transaction")),
        consumer_(log.subscribe(config_.group, {Stream::kRaw})) {}

  void run(std::stop_token stop) override;
  Result<bool> step() override;

 private:
  using Reasons = std::map<std::string_view, std::uint64_t>;
  Result<std::size_t> process(const PollBatch& batch, Transaction& transaction, Reasons& reasons_seen);
  void count(std::size_t processed, const Reasons& reasons_seen);
  void report(const Error& error);

  const WorkerConfig config_;
  const muster::Log logger_{"worker"};
  MetricsRegistry& metrics_;
  Counter& records_;
  Counter& dead_letters_;
  Counter& commits_;
  Gauge& last_batch_;
  std::unique_ptr<Consumer> consumer_;
  Normalizer normalizer_;
};

// Works a batch off into `transaction` and returns how many of its records fitted; less than all when they become too
// long. The batch's storage may go afterwards: the transaction copies.
Result<std::size_t> LogWorker::process(const PollBatch& batch, Transaction& transaction, Reasons& reasons_seen) {
  Cursor next = batch.next;
  std::size_t processed = 0;
  for (const StoredRecordView& stored : batch.records) {
    MUSTER_TRY(const std::string_view reason, normalizer_.process(stored.record, transaction));
    if (!reason.empty()) ++reasons_seen[reason];
    ++processed;
    if (transaction.octets() < kMaxTransactionOctets) continue;
    next.offset = stored.offset + 1;
    break;
  }
  transaction.advance(next, batch.fence);
  return processed;
}

// One transaction for all partitions that have something: it costs about the same for one record as for a thousand.
Result<bool> LogWorker::step() {
  const std::unique_ptr<Transaction> transaction = consumer_->begin();
  Reasons reasons_seen;
  std::size_t processed = 0;
  bool whole = true;
  for (bool more = true; more && whole && processed < config_.batch_records;) {
    const auto wait = processed == 0 ? config_.poll_wait : std::chrono::milliseconds{0};
    MUSTER_TRY(const PollBatch batch, consumer_->poll(config_.batch_records - processed, wait));
    if (batch.records.empty()) break;
    MUSTER_TRY(const std::size_t fitted, process(batch, *transaction, reasons_seen));
    processed += fitted;
    whole = fitted == batch.records.size() && transaction->octets() < kMaxTransactionOctets;
    more = batch.more;
  }
  if (processed == 0) return false;
  MUSTER_TRY_VOID(transaction->commit());
  if (!whole) consumer_->rewind();  // what did not fit comes again
  count(processed, reasons_seen);
  return true;
}

void LogWorker::count(std::size_t processed, const Reasons& reasons_seen) {
  records_.add(processed);
  commits_.add();
  last_batch_.set(static_cast<double>(processed));
  for (const auto& [reason, number] : reasons_seen) {
    dead_letters_.add(number);
    metrics_
        .counter("muster_worker_dead_letters_by_reason_total", "Records that could not be decoded, by reason",
                 {{"reason", std::string{reason}}})
        .add(number);
  }
}

void LogWorker::report(const Error& error) {
  metrics_
      .counter("muster_worker_errors_total", "Polls and commits that failed and are repeated",
               {{"reason", std::string{error.reason}}})
      .add();
  logger_.warning("batch failed", {{"reason", error.reason}, {"detail", error.detail}});
}

void LogWorker::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any waiting;
  auto pause = config_.retry_least;
  while (!stop.stop_requested()) {
    const auto done = step();
    if (done.ok()) {
      pause = config_.retry_least;
      continue;
    }
    report(done.error());
    // Whether the commit took effect is unknown: the committed offset tells.
    consumer_->rewind();
    if (done.error().reason == reasons::kFenced) continue;  // somebody else has the partition, that is all
    std::unique_lock lock{mutex};
    waiting.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(2 * pause, config_.retry_most);
  }
  consumer_->leave();
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(WorkerConfig config, Log& log, MetricsRegistry& metrics) {
  const auto invalid = [](const char* key) {
    return Error{ErrorCode::kInvalidArgument, reasons::kWorkerConfigInvalid, key};
  };
  if (!check_group_name(config.group).ok()) return invalid("group");
  if (config.batch_records < 1 || config.batch_records > kMaxAppendEntries) return invalid("batch_records");
  if (config.poll_wait.count() < 0) return invalid("poll_wait");
  if (config.retry_least.count() < 1) return invalid("retry_least");
  if (config.retry_most < config.retry_least) return invalid("retry_most");
  return std::unique_ptr<Worker>{new LogWorker(std::move(config), log, metrics)};
}

}  // namespace muster::ingest
