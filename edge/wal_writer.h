// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the write-ahead log of one start of the broker plugin (an incarnation). Format: docs/formats/wal.md.
// append() puts a record in memory and returns its sequence at once; a committer thread writes and fdatasyncs groups
// and then publishes the durable mark. The broker's thread never waits for a disk.
//
// Thread-safe. After a failed write or fdatasync the segment is never synced or acknowledged again: records that are
// not durable move to a new segment, and `on_failure` is told so that connections that wait are cut.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/id.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::edge {

struct WalConfig {
  std::string folder;
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t max_bytes = 4ULL << 30;            // all segments that are not shipped yet
  std::uint64_t min_free_bytes = 2ULL << 30;       // of the file system
  std::uint64_t max_buffered_bytes = 64ULL << 20;  // appended and not yet written
};

struct WalStatistics {
  std::uint64_t appended = 0;  // sequence of the last append
  std::uint64_t durable = 0;   // sequence of the last durable record
  std::uint64_t commits = 0;
  std::uint64_t failures = 0;
  std::uint64_t unshipped_bytes = 0;
  std::uint64_t room_bytes = 0;  // before appends are refused, by the WAL's own limit or the disk's
  std::uint64_t last_commit_micros = 0;
  std::uint64_t clock_steps = 0;  // steps of the wall clock that were stamped
};

class WalFileSystem;

class WalWriter {
 public:
  struct Callbacks {
    // Called on the committer thread after each group, with the sequence up to which everything is durable.
    std::function<void(std::uint64_t durable)> on_durable;
    // Called on the committer thread: records up to `lost_hold` were not durable in time; whoever waits for one is cut.
    std::function<void(std::uint64_t lost_hold, const Error& why)> on_failure;
    // Called on the committer thread after each group: what write and fdatasync took.
    std::function<void(std::uint64_t micros)> on_commit = {};
  };
  // Makes a new incarnation and starts the committer thread (all signals blocked in it).
  // Reasons: config.folder_invalid, config.wal_limits_invalid, wal.disk_full, wal.write_failed, file.write_failed.
  static Result<std::unique_ptr<WalWriter>> open(WalConfig config, Callbacks callbacks);
  // The same on another file system, which must outlive the writer: tests put failures there.
  static Result<std::unique_ptr<WalWriter>> open(WalConfig config, Callbacks callbacks, WalFileSystem& file_system);
  virtual ~WalWriter() = default;  // drains for at most 2 s, then stops

  virtual IncarnationId incarnation() const = 0;
  // Sets the record's incarnation and sequence. Reasons: wal.full, wal.disk_full, wal.write_failed (until a
  // retry succeeds), wal.buffer_full, record.too_large.
  // Nothing is appended on failure: a QoS 1 publisher must then be cut, never acknowledged.
  virtual Result<std::uint64_t> append(RecordView record) = 0;
  // False from the moment when appends of QoS 0 should be shed (half of a limit is used).
  virtual bool has_room_for_qos0() const = 0;
  virtual WalStatistics statistics() const = 0;
};

}  // namespace muster::edge
