// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/record_writer.h"

#include <cstdio>
#include <cstring>

#include "ingest/postgres/copy_format.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr const char* kEpochs = "SELECT stream, epoch, partitions FROM log.current_epochs()";
constexpr const char* kOpenAppend =
    "SELECT stream, partition, next_offset, append_time, mark, appender FROM log.open_append($1, $2, $3, $4)";
constexpr const char* kOpenProduce =
    "SELECT stream, partition, next_offset, append_time, mark, appender FROM log.open_append(NULL, $1, $2, $3)";
constexpr const char* kColumns =
    " (log_offset, append_time, sequence, appender, kind, tenant_id, device_id, incarnation, record)"
    " FROM STDIN (FORMAT binary)";
constexpr std::int16_t kColumnCount = 9;

std::size_t index_of(Stream stream) { return static_cast<std::size_t>(stream); }

std::int64_t sequence_of(BytesView record) {
  std::uint64_t sequence;
  std::memcpy(&sequence, record.data() + kRecordSequenceOffset, sizeof sequence);
  return static_cast<std::int64_t>(sequence);
}

}  // namespace

Result<StreamEpochs> read_epochs(PostgresConnection& connection) {
  MUSTER_TRY(const PgResult rows, connection.query(kEpochs, {}));
  StreamEpochs epochs{};
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    const auto stream = static_cast<std::size_t>(int_of(rows.get(), row, 0));
    if (stream == 0 || stream >= epochs.size()) continue;  // of a newer version
    epochs[stream] = {static_cast<std::int32_t>(int_of(rows.get(), row, 1)),
                      static_cast<std::int32_t>(int_of(rows.get(), row, 2))};
  }
  for (std::size_t stream = 1; stream < epochs.size(); ++stream) {
    if (epochs[stream].partitions < 1) return Error{ErrorCode::kInternal, reasons::kRefused, "a stream has no epoch"};
  }
  return epochs;
}

std::string partition_table(Stream stream, std::int32_t epoch, std::int32_t partition) {
  std::string prefix{to_string(stream)};
  for (char& c : prefix) {
    if (c == '-') c = '_';
  }
  char number[32];
  std::snprintf(number, sizeof number, "_%d_%04d", epoch, partition);
  return "log." + prefix + number;
}

Result<AppendOutcome> RecordWriter::write(PostgresConnection& connection, const StreamEpochs& epochs,
                                          const std::optional<IncarnationId>& incarnation,
                                          std::span<const PendingRecord> records) {
  for (auto& [key, head] : heads_) head.used = false;
  for (const PendingRecord& pending : records) heads_[{pending.stream, pending.partition}].used = true;
  std::erase_if(heads_, [](const auto& entry) { return !entry.second.used; });
  MUSTER_TRY(const std::int64_t mark, lock_heads(connection, epochs, incarnation));
  AppendOutcome outcome;
  for (const PendingRecord& pending : records) {
    const std::int64_t sequence = sequence_of(pending.record);
    if (incarnation && sequence <= mark) {
      ++outcome.duplicates;
      continue;
    }
    add_row(heads_.find({pending.stream, pending.partition})->second, pending.record, sequence);
    ++outcome.stored;
  }
  if (outcome.stored > 0) MUSTER_TRY_VOID(copy_rows(connection, epochs));
  return outcome;
}

Result<std::int64_t> RecordWriter::lock_heads(PostgresConnection& connection, const StreamEpochs& epochs,
                                              const std::optional<IncarnationId>& incarnation) {
  std::vector<int> streams;
  std::vector<std::int32_t> of_epoch;
  std::vector<std::int32_t> partitions;
  for (const auto& [key, head] : heads_) {
    streams.push_back(static_cast<int>(key.first));
    of_epoch.push_back(epochs[index_of(key.first)].epoch);
    partitions.push_back(key.second);
  }
  std::vector<std::string> parameters;
  if (incarnation) parameters.push_back(incarnation->text());
  parameters.insert(parameters.end(), {array_text(streams), array_text(of_epoch), array_text(partitions)});
  MUSTER_TRY(const PgResult rows, connection.query(incarnation ? kOpenAppend : kOpenProduce, parameters));
  if (static_cast<std::size_t>(PQntuples(rows.get())) != heads_.size()) {
    return Error{ErrorCode::kInternal, reasons::kRefused, "a partition is missing"};
  }
  std::int64_t mark = -1;
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    const auto stream = static_cast<Stream>(int_of(rows.get(), row, 0));
    const auto found = heads_.find({stream, static_cast<std::int32_t>(int_of(rows.get(), row, 1))});
    if (found == heads_.end()) return internal_error("open_append locked another partition");
    found->second.next_offset = int_of(rows.get(), row, 2);
    found->second.append_time = int_of(rows.get(), row, 3);
    found->second.rows.clear();
    if (PQgetisnull(rows.get(), row, 4) == 0) mark = int_of(rows.get(), row, 4);
    appender_ = static_cast<std::int32_t>(int_of(rows.get(), row, 5));
  }
  return mark;
}

void RecordWriter::add_row(Head& head, BytesView record, std::int64_t sequence) const {
  const bool first = head.rows.empty();
  CopyWriter writer = first ? CopyWriter::start(head.rows) : CopyWriter::resume(head.rows);
  writer.begin_row(kColumnCount);
  writer.add_int64(head.next_offset++);
  writer.add_int64(head.append_time);
  writer.add_int64(sequence);
  writer.add_int32(appender_);
  writer.add_int16(record[1]);
  writer.add_octets(record.subspan(kRecordTenantIdOffset, 16));
  writer.add_octets(record.subspan(kRecordDeviceIdOffset, 16));
  writer.add_octets(record.subspan(kRecordIncarnationOffset, 16));
  std::uint8_t* stored = writer.add_octets(record);
  std::memcpy(stored + kRecordAppendTimeOffset, &head.append_time, sizeof head.append_time);
}

Result<void> RecordWriter::copy_rows(PostgresConnection& connection, const StreamEpochs& epochs) {
  for (auto& [key, head] : heads_) {
    if (head.rows.empty()) continue;
    CopyWriter::resume(head.rows).end();
    const std::string table = partition_table(key.first, epochs[index_of(key.first)].epoch, key.second);
    MUSTER_TRY_VOID(connection.copy_in("COPY " + table + kColumns, head.rows));
  }
  return {};
}

}  // namespace muster::ingest
