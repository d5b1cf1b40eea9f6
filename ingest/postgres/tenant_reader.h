// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how a tenant's applications read the streams. Every call names the tenant; the database's own functions
// filter by it (migrations/002x, role muster_reader), so one tenant's group, offsets and records cannot be named by
// another. Groups here have no leases: readers of one group see the same records until one of them commits, at least
// once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ingest/log.h"

namespace muster::ingest {

class PostgresConnection;

struct TenantReaderConfig {
  std::string database_url;  // role muster_server, member of muster_reader
  std::size_t max_connections = 8;
};

struct TenantRecord {
  std::int32_t epoch = 0;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  UnixMicros append_time = 0;
  Bytes record;  // record v1; in `normalized` its payload is a CloudEvent in JSON, in `dead-letters` the device's
                 // octets with headers "reason" and "mapping-version"
};

struct TenantRead {
  std::vector<TenantRecord> records;  // in order within a partition
  std::vector<Cursor> next;           // every partition that moved: commit these when the records are done
};

inline constexpr std::size_t kMaxTenantRead = 1000;  // records in one answer
inline constexpr std::chrono::milliseconds kMaxTenantWait{30'000};

// Thread-safe.
class TenantReader {
 public:
  // Reason: log.config_invalid.
  static Result<std::unique_ptr<TenantReader>> create(TenantReaderConfig config);
  ~TenantReader();

  // read_records returns up to `max` records after the offsets that `group` committed; a new group starts at the oldest
  // record kept. Waits up to `wait` for the first one. `group` is 1 to 64 of [A-Za-z0-9._-].
  // Reasons: group.name_invalid, log.unavailable, log.busy (all connections in use).
  Result<TenantRead> read_records(const TenantId& tenant, Stream stream, std::string_view group, std::size_t max,
                                  std::chrono::milliseconds wait);

  // commit moves `group` to `cursors` (next offset to read), forwards only. Reasons: group.name_invalid,
  // log.cursor_invalid (unknown partition or an offset beyond the head), log.unavailable.
  Result<void> commit(const TenantId& tenant, Stream stream, std::string_view group,
                      const std::vector<Cursor>& cursors);

  // latest returns where `stream` ends now: the start for a tail.
  Result<std::vector<Cursor>> latest(const TenantId& tenant, Stream stream);

  // tail reads on from `from` without a group; pass TenantRead::next (for partitions it does not name: the old cursor)
  // to go on. merge_cursors does that.
  Result<TenantRead> tail(const TenantId& tenant, Stream stream, const std::vector<Cursor>& from, std::size_t max,
                          std::chrono::milliseconds wait);

 private:
  explicit TenantReader(TenantReaderConfig config);
  struct Lease;
  // Runs `work` in a transaction of the tenant's and commits it.
  template <typename Work>
  auto with_tenant(const TenantId& tenant, Work work) -> std::invoke_result_t<Work, PostgresConnection&>;
  Result<std::unique_ptr<PostgresConnection>> connect() const;
  Result<void> begin(Lease& lease, const TenantId& tenant);
  void give_back(std::unique_ptr<PostgresConnection> connection);

  const TenantReaderConfig config_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<PostgresConnection>> idle_;  // guarded by mutex_
  std::size_t in_use_ = 0;                                 // guarded by mutex_
};

// merge_cursors returns `from` with the partitions that `moved` names replaced.
std::vector<Cursor> merge_cursors(std::vector<Cursor> from, const std::vector<Cursor>& moved);

}  // namespace muster::ingest
