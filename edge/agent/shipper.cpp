// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/shipper.h"

#include <algorithm>

#include "core/record.h"
#include "edge/agent/backoff.h"

namespace muster::edge {
namespace {

constexpr std::chrono::seconds kTidyPeriod{1};
constexpr std::chrono::milliseconds kNothingThereWait{100};  // between looks for an incarnation to ship

// What the log says of the records themselves: sending them again changes nothing.
bool blames_records(const Error& error) {
  return error.reason == "log.batch_invalid" || error.reason == "log.batch_too_large" || error.reason == "log.refused";
}

}  // namespace

Shipper::Shipper(ShipperConfig config, ingest::Appender& log, EventReporter& events, MetricsRegistry& metrics)
    : config_(std::move(config)),
      appender_(log),
      events_(events),
      retention_(config_.wal_folder, config_.retention),
      shipped_(metrics.counter("muster_edge_records_shipped_total", "Records that the log stored")),
      duplicates_(metrics.counter("muster_edge_records_duplicate_total", "Records sent that the log held already")),
      lost_(metrics.counter("muster_edge_records_lost_total", "Records of the WAL that could not be read")),
      refused_(metrics.counter("muster_edge_records_refused_total", "Records that the log refuses to store")),
      failures_(metrics.counter("muster_edge_ship_failures_total", "Attempts to reach the log that failed")),
      position_(metrics.gauge("muster_edge_shipped_sequence", "Sequence in the present incarnation that is stored")) {}

void Shipper::run(std::stop_token stop) {
  const auto step = [&]() -> Result<void> {
    MUSTER_TRY_VOID(ship_all(stop));
    wait_or_stop(stop, kNothingThereWait);
    return {};
  };
  repeat(stop, Backoff{config_.least_backoff, config_.most_backoff}, step, [this](const Error& error) {
    done_.clear();  // the log may come back with less than it had
    failures_.add();
    log_.warning("shipping failed", {{"reason", error.reason}, {"detail", error.detail}});
  });
}

Result<void> Shipper::ship_all(std::stop_token stop) {
  for (const WalIncarnation& incarnation : list_incarnations(config_.wal_folder)) {
    if (stop.stop_requested()) return {};
    if (done_.contains(incarnation.id)) continue;
    auto shipped = ship(incarnation.id, stop);
    if (!shipped.ok() && shipped.error().reason != "log.permission_denied") return std::move(shipped).error();
    if (stop.stop_requested()) return {};
    if (!shipped.ok()) {
      // Another edge's incarnation, for example in a copied folder: what is ours must not wait behind it.
      events_.report("wal.incarnation_refused", incarnation.id.text());
    }
    done_.insert(incarnation.id);
  }
  if (std::chrono::steady_clock::now() >= tidy_due_) {
    tidy_due_ = std::chrono::steady_clock::now() + kTidyPeriod;
    retention_.expire();
  }
  return {};
}

// Returns when the incarnation is over and whole in the log, or on `stop`.
Result<void> Shipper::ship(const IncarnationId& incarnation, std::stop_token stop) {
  MUSTER_TRY(const auto through, appender_.stored_through(incarnation));
  WalReader reader{config_.wal_folder, incarnation, through.value_or(0) + 1};
  while (!stop.stop_requested()) {
    MUSTER_TRY(const WalBatch batch, reader.read(config_.batch_records, config_.batch_octets));
    report_gaps(incarnation, batch);
    const auto begun = std::chrono::steady_clock::now();
    if (!batch.records.empty()) MUSTER_TRY_VOID(append(incarnation, batch));
    tidy(incarnation, reader.next_sequence() - 1, batch.finished);
    if (batch.finished) return {};
    const auto pause = pause_after(batch, std::chrono::steady_clock::now() - begun);
    if (pause.count() > 0 && !wait_or_stop(stop, pause)) return {};
  }
  return {};
}

// None while the WAL is far ahead: then batches fill by themselves.
std::chrono::milliseconds Shipper::pause_after(const WalBatch& batch, std::chrono::steady_clock::duration took) const {
  if (batch.records.empty()) return config_.idle_wait;
  std::size_t octets = 0;
  for (const WalRecord& record : batch.records) octets += record.record.size();
  if (batch.records.size() >= config_.batch_records / 2 || octets >= config_.batch_octets / 2) return {};
  return std::min(std::chrono::duration_cast<std::chrono::milliseconds>(4 * took), config_.most_gathering);
}

void Shipper::report_gaps(const IncarnationId& incarnation, const WalBatch& batch) {
  for (const WalGap& gap : batch.gaps) {
    lost_.add(gap.to - gap.from + 1);
    events_.report("wal.records_lost",
                   incarnation.text() + " " + std::to_string(gap.from) + "-" + std::to_string(gap.to));
  }
}

std::vector<ingest::AppendEntry> Shipper::entries_of(const WalBatch& batch) {
  std::vector<ingest::AppendEntry> entries;
  entries.reserve(batch.records.size());
  keys_.clear();
  for (const WalRecord& record : batch.records) {
    const auto view = decode_record(record.record);
    if (!view.ok()) {  // sound by its checksum, so written so: a fault of the writer's
      refused_.add();
      events_.report("wal.record_malformed", std::to_string(record.sequence));
      continue;
    }
    std::string& key = keys_.emplace_back(view->tenant);
    key += '/';
    key += view->device;
    entries.push_back({ingest::stream_of(view->kind), key, record.record});
  }
  return entries;
}

Result<void> Shipper::append(const IncarnationId& incarnation, const WalBatch& batch) {
  const auto entries = entries_of(batch);
  auto appended = append_entries(incarnation, entries);
  if (appended.ok() || !blames_records(appended.error())) return appended;
  return append_one_by_one(incarnation, entries, std::move(appended).error());
}

// One record must not hold up all others for ever: those that the log refuses by themselves are reported and left out,
// but only beside others that it takes. A log that refuses everything is broken, and then nothing is left out.
Result<void> Shipper::append_one_by_one(const IncarnationId& incarnation, std::span<const ingest::AppendEntry> entries,
                                        Error why) {
  std::vector<std::string_view> left_out;
  for (const ingest::AppendEntry& entry : entries) {
    const auto appended = append_entries(incarnation, {&entry, 1});
    if (!appended.ok() && !blames_records(appended.error())) return appended.error();
    if (!appended.ok()) left_out.push_back(entry.key);
  }
  if (left_out.size() == entries.size()) return why;
  refused_.add(left_out.size());
  for (const std::string_view key : left_out) {
    events_.report("wal.record_refused", std::string{why.reason} + " " + std::string{key});
  }
  return {};
}

Result<void> Shipper::append_entries(const IncarnationId& incarnation, std::span<const ingest::AppendEntry> entries) {
  if (entries.empty()) return {};
  MUSTER_TRY(const ingest::AppendOutcome outcome, appender_.append(incarnation, entries));
  shipped_.add(outcome.stored);
  duplicates_.add(outcome.duplicates);
  return {};
}

void Shipper::tidy(const IncarnationId& incarnation, std::uint64_t through, bool finished) {
  position_.set(static_cast<double>(through));
  const auto now = std::chrono::steady_clock::now();
  if (!finished && now < tidy_due_) return;
  tidy_due_ = now + kTidyPeriod;
  retention_.mark_stored(incarnation, through, finished);
  retention_.expire();
}

}  // namespace muster::edge
