// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the partitioned log as its users see it: edges append, workers consume and produce in transactions.
// Records are record v1 (core/record.h) in every stream. Engines: ingest/postgres/. tests/contract/log_contract.h says
// what each engine must do.
//
// Order and identity: partition = murmur2(key) mod n as in Kafka; offsets are dense and become visible in order. A
// cursor is (stream, epoch, partition, next offset to read); changing n opens a new epoch, and a group finishes the old
// one first.
//
// Reasons, all calls: log.unavailable (the database cannot be reached or did not answer in time; whether an append took
// effect is then unknown, repeating it is always safe), log.permission_denied, log.refused (the engine's own rules; a
// bug or an attack, never retried).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::ingest {

// The physical streams. The shipper routes by RecordKind (stream_of).
enum class Stream : std::uint8_t { kRaw = 1, kNormalized = 2, kDeadLetters = 3, kLifecycle = 4 };

std::string_view to_string(Stream stream);                 // "raw", "normalized", "dead-letters", "lifecycle"
std::optional<Stream> stream_from(std::string_view name);  // the reverse; nullopt for anything else
Stream stream_of(RecordKind kind);                         // publish, will → raw; the others → lifecycle

// partition_of is Kafka's default partitioner: (murmur2(key) & 0x7fffffff) mod partitions. `partitions` ≥ 1.
std::int32_t partition_of(std::string_view key, std::int32_t partitions);

struct AppendEntry {
  Stream stream = Stream::kRaw;
  std::string_view key;  // principal, "tenant/device"
  BytesView record;      // one encoded record v1
};

inline constexpr std::size_t kMaxAppendEntries = 20'000;
inline constexpr std::size_t kMaxAppendOctets = 32u << 20;

struct AppendOutcome {
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;  // at or below their partition's mark: stored before
};

// Appender is one shipper's way into the log. Confined to one thread. It connects by itself and again after an error.
class Appender {
 public:
  virtual ~Appender() = default;

  // append stores a batch as one transaction, durably: all of it or nothing. Every record must be of `incarnation`,
  // with ascending sequences, and batches must come in ascending order: then a record is stored once however often it
  // is handed in. The first append of an incarnation binds it to this appender's role: another role is refused
  // (log.permission_denied). The log stamps the append time.
  // Reasons: log.batch_too_large, log.batch_invalid (order, incarnation, a record too short).
  virtual Result<AppendOutcome> append(const IncarnationId& incarnation, std::span<const AppendEntry> entries) = 0;

  // stored_through returns the highest sequence of `incarnation` that the log holds; every record handed in before it
  // is stored as well. nullopt where the log holds nothing. It can go back after a restore or a fail-over: a shipper
  // asks after each (re)connect, resumes after it, and trusts no memory of its own.
  virtual Result<std::optional<std::uint64_t>> stored_through(const IncarnationId& incarnation) = 0;
};

struct Cursor {
  Stream stream = Stream::kRaw;
  std::int32_t epoch = 1;
  std::int32_t partition = 0;
  std::int64_t offset = 0;  // the next offset to read
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

struct StoredRecordView {  // views the batch that holds it
  std::int64_t offset = 0;
  UnixMicros append_time = 0;
  BytesView record;
};

// PollBatch holds consecutive records of one partition. `fence` names the lease under which they were read.
struct PollBatch {
  Cursor next;  // commit this when all of the batch is done
  std::int64_t fence = 0;
  std::vector<StoredRecordView> records;  // empty: nothing arrived in time
  Bytes storage;                          // what the records view
  bool more = false;                      // the next poll finds records without waiting
};

// Transaction: output, state and input offsets in one commit. Destroying it before commit undoes it.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // produce copies `record` (record v1) into the transaction's buffer for `stream`.
  virtual Result<void> produce(Stream stream, std::string_view key, BytesView record) = 0;
  virtual Result<void> put_state(std::string_view key, BytesView value) = 0;
  // The size of what was handed in so far: it is held in memory until the commit.
  virtual std::size_t octets() const = 0;
  // advance moves the group to `next` when this commits; once for each partition whose records were worked off.
  virtual void advance(const Cursor& next, std::int64_t fence) = 0;
  // commit stores everything. Reasons: log.fenced (another member leased one of the partitions since the poll: nothing
  // was stored, drop the batches), those above.
  virtual Result<void> commit() = 0;
};

// Consumer is one member of a consumer group. Confined to one thread. Partitions are leased by the database's clock and
// shared fairly among the live members; poll renews the lease.
class Consumer {
 public:
  virtual ~Consumer() = default;
  // poll returns up to `max_records` of one leased partition, in order, after what it returned before (or after what
  // the group committed, when the partition was just leased). Waits up to `wait` when there is nothing.
  virtual Result<PollBatch> poll(std::size_t max_records, std::chrono::milliseconds wait) = 0;
  // commit alone, for consumers without output. Reason: log.fenced.
  virtual Result<void> commit(const Cursor& next, std::int64_t fence) = 0;
  // seek moves the group's position in a partition that this member leases; takes effect with the next poll.
  // Reasons: log.fenced, log.cursor_invalid.
  virtual Result<void> seek(const Cursor& to) = 0;
  virtual std::unique_ptr<Transaction> begin() = 0;
  virtual Result<std::optional<Bytes>> get_state(std::string_view key) = 0;
  // rewind drops what was polled and not committed: the next poll starts at the committed offsets.
  virtual void rewind() = 0;
  // leave gives the leases back at once, so that another member need not wait for them to end.
  virtual void leave() = 0;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual std::unique_ptr<Appender> open_appender() = 0;
  virtual std::unique_ptr<Consumer> subscribe(std::string_view group, std::vector<Stream> streams) = 0;
  // retain removes records that were appended more than `keep` (at least an hour) ago, a bounded number: call it until
  // it returns 0. Of `raw` what `group` has not committed stays.
  virtual Result<std::uint64_t> retain(Stream stream, std::chrono::hours keep, std::string_view group) = 0;
};

}  // namespace muster::ingest
