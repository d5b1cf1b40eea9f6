// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/appender.h"

#include <cstring>
#include <limits>

#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr const char* kStoredThrough = "SELECT log.stored_through($1)";

Error invalid(const char* what) { return {ErrorCode::kInvalidArgument, reasons::kBatchInvalid, what}; }

Result<void> check_batch(const IncarnationId& incarnation, std::span<const AppendEntry> entries) {
  if (entries.size() > kMaxAppendEntries) {
    return Error{ErrorCode::kInvalidArgument, reasons::kBatchTooLarge, "number of records"};
  }
  std::size_t octets = 0;
  std::optional<std::uint64_t> last;
  for (const AppendEntry& entry : entries) {
    if (entry.record.size() < kRecordFixedSize) return invalid("a record is shorter than its fixed part");
    if (std::memcmp(entry.record.data() + kRecordIncarnationOffset, incarnation.octets().data(), 16) != 0) {
      return invalid("a record of another incarnation");
    }
    std::uint64_t sequence;
    std::memcpy(&sequence, entry.record.data() + kRecordSequenceOffset, sizeof sequence);
    if (sequence > std::numeric_limits<std::int64_t>::max()) return invalid("sequence over 63 bits");
    if (last && sequence <= *last) return invalid("sequences do not ascend");
    last = sequence;
    octets += entry.record.size();
  }
  // One record may be larger than the limit: it goes alone.
  if (octets > kMaxAppendOctets && entries.size() > 1) {
    return Error{ErrorCode::kInvalidArgument, reasons::kBatchTooLarge, "octets"};
  }
  return {};
}

}  // namespace

Result<void> PostgresAppender::ensure_connected() {
  if (connection_) return {};
  SessionLimits limits{.application_name = "muster appender",
                       .connect_timeout = config_.connect_timeout,
                       .lock_timeout = config_.lock_timeout,
                       .idle_in_transaction = config_.idle_timeout,
                       .statement_timeout = 3 * config_.idle_timeout,
                       .network_timeout = config_.network_timeout};
  MUSTER_TRY(auto connection, PostgresConnection::connect(config_.database_url, limits));
  MUSTER_TRY(epochs_, read_epochs(*connection));
  connection_ = std::move(connection);
  return {};
}

Result<AppendOutcome> PostgresAppender::append(const IncarnationId& incarnation, std::span<const AppendEntry> entries) {
  MUSTER_TRY_VOID(check_batch(incarnation, entries));
  if (entries.empty()) return AppendOutcome{};
  auto outcome = append_once(incarnation, entries);
  if (!outcome.ok() && outcome.error().reason == reasons::kEpochOver) {
    connection_.reset();  // connecting reads the epochs again
    outcome = append_once(incarnation, entries);
  }
  // Whatever went wrong, the transaction must not stay open, and after a lost answer nothing of the session is known.
  if (!outcome.ok()) connection_.reset();
  return outcome;
}

Result<AppendOutcome> PostgresAppender::append_once(const IncarnationId& incarnation,
                                                    std::span<const AppendEntry> entries) {
  MUSTER_TRY_VOID(ensure_connected());
  pending_.clear();
  for (const AppendEntry& entry : entries) {
    const std::int32_t partitions = epochs_[static_cast<std::size_t>(entry.stream)].partitions;
    pending_.push_back({entry.stream, partition_of(entry.key, partitions), entry.record});
  }
  MUSTER_TRY_VOID(connection_->execute("BEGIN"));
  MUSTER_TRY(const AppendOutcome outcome, writer_.write(*connection_, epochs_, incarnation, pending_));
  MUSTER_TRY_VOID(connection_->execute("COMMIT"));
  return outcome;
}

Result<std::optional<std::uint64_t>> PostgresAppender::stored_through(const IncarnationId& incarnation) {
  MUSTER_TRY_VOID(ensure_connected());
  auto rows = connection_->query(kStoredThrough, {incarnation.text()});
  if (!rows.ok()) {
    connection_.reset();
    return std::move(rows).error();
  }
  if (PQntuples(rows->get()) != 1 || PQgetisnull(rows->get(), 0, 0) != 0) return std::optional<std::uint64_t>{};
  return std::optional<std::uint64_t>{static_cast<std::uint64_t>(int_of(rows->get(), 0, 0))};
}

}  // namespace muster::ingest
