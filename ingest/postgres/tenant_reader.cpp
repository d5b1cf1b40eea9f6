// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/tenant_reader.h"

#include <algorithm>
#include <thread>

#include "core/encoding.h"
#include "ingest/group_name.h"
#include "ingest/postgres/connection.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr const char* kSetTenant = "SELECT set_config('muster.tenant_id', $1, true)";
constexpr const char* kHeads = "SELECT epoch, partition, next_offset FROM log.tenant_heads($1)";
constexpr const char* kPositions = "SELECT epoch, partition, committed FROM log.tenant_positions($1, $2)";
constexpr const char* kRead =
    "SELECT epoch, partition, log_offset, append_time, record FROM log.tenant_read($1, $2, $3, $4, $5, $6, $7)";
constexpr const char* kCommit = "SELECT log.tenant_commit($1, $2, $3, $4, $5)";

constexpr std::int64_t kMaxReadOctets = 8 << 20;  // of records in one answer, plus the last one
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::milliseconds kLongestPause{250};
constexpr std::chrono::seconds kPoolWait{2};

using Steady = std::chrono::steady_clock;

std::string number_of(Stream stream) { return std::to_string(static_cast<int>(stream)); }

// BEGIN as muster_reader with the tenant set: what the database's own functions go by.
Result<void> begin_as(PostgresConnection& connection, const TenantId& tenant) {
  MUSTER_TRY_VOID(connection.execute("BEGIN; SET LOCAL ROLE muster_reader"));
  MUSTER_TRY(const PgResult set, connection.query(kSetTenant, {tenant.text()}));
  return {};
}

struct CursorArrays {
  std::string epochs, partitions, offsets;
};

CursorArrays arrays_of(const std::vector<Cursor>& cursors) {
  std::vector<std::int32_t> epochs, partitions;
  std::vector<std::int64_t> offsets;
  for (const Cursor& cursor : cursors) {
    epochs.push_back(cursor.epoch);
    partitions.push_back(cursor.partition);
    offsets.push_back(cursor.offset);
  }
  return {array_text(epochs), array_text(partitions), array_text(offsets)};
}

std::vector<Cursor> cursors_of(Stream stream, const PGresult* rows) {
  std::vector<Cursor> cursors;
  for (int row = 0; row < PQntuples(rows); ++row) {
    cursors.push_back({stream, static_cast<std::int32_t>(int_of(rows, row, 0)),
                       static_cast<std::int32_t>(int_of(rows, row, 1)), int_of(rows, row, 2)});
  }
  return cursors;
}

// bytea in text form: \x and hexadecimal.
Result<Bytes> octets_of(const PGresult* rows, int row, int column) {
  const std::string_view text = text_of(rows, row, column);
  if (!text.starts_with("\\x")) return internal_error("bytea_output is not hex");
  return from_hex(text.substr(2));
}

Result<TenantRead> to_read(Stream stream, const PGresult* rows) {
  TenantRead read;
  for (int row = 0; row < PQntuples(rows); ++row) {
    TenantRecord record{static_cast<std::int32_t>(int_of(rows, row, 0)),
                        static_cast<std::int32_t>(int_of(rows, row, 1)),
                        int_of(rows, row, 2),
                        int_of(rows, row, 3),
                        {}};
    if (PQgetisnull(rows, row, 4) != 0) {
      read.next.push_back({stream, record.epoch, record.partition, record.offset});
      continue;
    }
    MUSTER_TRY(record.record, octets_of(rows, row, 4));
    read.records.push_back(std::move(record));
  }
  return read;
}

Result<TenantRead> read_once(PostgresConnection& connection, Stream stream, const std::vector<Cursor>& from,
                             std::size_t max) {
  // Partitions take turns at being first: a busy one must not starve the others.
  const auto turn =
      static_cast<std::size_t>(Steady::now().time_since_epoch().count() / 1000) % std::max<std::size_t>(from.size(), 1);
  const CursorArrays at = arrays_of(from);
  MUSTER_TRY(const PgResult rows,
             connection.query(kRead, {number_of(stream), at.epochs, at.partitions, at.offsets, std::to_string(turn),
                                      std::to_string(max), std::to_string(kMaxReadOctets)}));
  return to_read(stream, rows.get());
}

}  // namespace

// Lease gives a connection back when its call ends, unless the call failed.
struct TenantReader::Lease {
  explicit Lease(TenantReader& r) : reader(r) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (counted) reader.give_back(good ? std::move(connection) : nullptr);
  }
  TenantReader& reader;
  std::unique_ptr<PostgresConnection> connection;
  bool counted = false;  // against max_connections
  bool good = false;
};

Result<std::unique_ptr<TenantReader>> TenantReader::create(TenantReaderConfig config) {
  if (config.database_url.empty() || config.max_connections == 0) {
    return Error{ErrorCode::kInvalidArgument, reasons::kConfigInvalid,
                 config.database_url.empty() ? "database_url" : "max_connections"};
  }
  return std::unique_ptr<TenantReader>{new TenantReader(std::move(config))};
}

TenantReader::TenantReader(TenantReaderConfig config) : config_(std::move(config)) {}
TenantReader::~TenantReader() = default;

Result<std::unique_ptr<PostgresConnection>> TenantReader::connect() const {
  const SessionLimits limits{.application_name = "muster reader",
                             .idle_in_transaction = std::chrono::seconds{10},
                             .statement_timeout = std::chrono::seconds{10},
                             .network_timeout = std::chrono::seconds{10}};
  return PostgresConnection::connect(config_.database_url, limits);
}

Result<void> TenantReader::begin(Lease& lease, const TenantId& tenant) {
  {
    std::unique_lock lock{mutex_};
    if (!returned_.wait_for(lock, kPoolWait, [this] { return in_use_ < config_.max_connections; })) {
      return Error{ErrorCode::kUnavailable, reasons::kBusy, {}};
    }
    ++in_use_;
    lease.counted = true;
    if (!idle_.empty()) {
      lease.connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (lease.connection && begin_as(*lease.connection, tenant).ok()) return {};
  // Idle connections die with a restart of the database: a new one tells whether it is there.
  MUSTER_TRY(lease.connection, connect());
  return begin_as(*lease.connection, tenant);
}

void TenantReader::give_back(std::unique_ptr<PostgresConnection> connection) {
  const std::lock_guard lock{mutex_};
  --in_use_;
  if (connection) idle_.push_back(std::move(connection));
  returned_.notify_one();
}

template <typename Work>
auto TenantReader::with_tenant(const TenantId& tenant, Work work) -> std::invoke_result_t<Work, PostgresConnection&> {
  Lease lease{*this};
  MUSTER_TRY_VOID(begin(lease, tenant));
  auto outcome = work(*lease.connection);
  if (!outcome.ok()) return outcome;
  MUSTER_TRY_VOID(lease.connection->execute("COMMIT"));
  lease.good = true;
  return outcome;
}

Result<TenantRead> TenantReader::read_records(const TenantId& tenant, Stream stream, std::string_view group,
                                              std::size_t max, std::chrono::milliseconds wait) {
  MUSTER_TRY_VOID(check_group_name(group));
  MUSTER_TRY(const std::vector<Cursor> from,
             with_tenant(tenant, [&](PostgresConnection& connection) -> Result<std::vector<Cursor>> {
               MUSTER_TRY(const PgResult rows, connection.query(kPositions, {number_of(stream), std::string{group}}));
               return cursors_of(stream, rows.get());
             }));
  return tail(tenant, stream, from, max, wait);
}

Result<void> TenantReader::commit(const TenantId& tenant, Stream stream, std::string_view group,
                                  const std::vector<Cursor>& cursors) {
  MUSTER_TRY_VOID(check_group_name(group));
  const CursorArrays at = arrays_of(cursors);
  return with_tenant(tenant, [&](PostgresConnection& connection) -> Result<void> {
    MUSTER_TRY(const PgResult done, connection.query(kCommit, {number_of(stream), std::string{group}, at.epochs,
                                                               at.partitions, at.offsets}));
    return {};
  });
}

Result<std::vector<Cursor>> TenantReader::latest(const TenantId& tenant, Stream stream) {
  return with_tenant(tenant, [&](PostgresConnection& connection) -> Result<std::vector<Cursor>> {
    MUSTER_TRY(const PgResult rows, connection.query(kHeads, {number_of(stream)}));
    return cursors_of(stream, rows.get());
  });
}

Result<TenantRead> TenantReader::tail(const TenantId& tenant, Stream stream, const std::vector<Cursor>& from,
                                      std::size_t max, std::chrono::milliseconds wait) {
  const auto until = Steady::now() + std::min(wait, kMaxTenantWait);
  const std::size_t most = std::clamp<std::size_t>(max, 1, kMaxTenantRead);
  std::vector<Cursor> at = from;
  std::vector<Cursor> moved;
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    MUSTER_TRY(TenantRead read, with_tenant(tenant, [&](PostgresConnection& connection) {
                 return read_once(connection, stream, at, most);
               }));
    at = merge_cursors(std::move(at), read.next);
    moved = merge_cursors(std::move(moved), read.next);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
    if (!read.records.empty() || left.count() <= 0) {
      read.next = std::move(moved);
      return read;
    }
    std::this_thread::sleep_for(std::min(left, pause));  // holds no connection
  }
}

std::vector<Cursor> merge_cursors(std::vector<Cursor> from, const std::vector<Cursor>& moved) {
  for (const Cursor& cursor : moved) {
    const auto same = std::find_if(from.begin(), from.end(), [&](const Cursor& c) {
      return c.stream == cursor.stream && c.epoch == cursor.epoch && c.partition == cursor.partition;
    });
    if (same == from.end()) {
      from.push_back(cursor);
    } else {
      same->offset = cursor.offset;
    }
  }
  return from;
}

}  // namespace muster::ingest
