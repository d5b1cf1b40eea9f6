// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/consumer.h"

#include <algorithm>
#include <thread>

#include "ingest/postgres/copy_format.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr const char* kLease = "SELECT stream, epoch, partition, committed, fence FROM log.lease($1, $2, $3, $4)";
constexpr const char* kLeave = "SELECT log.leave_group($1, $2)";
constexpr const char* kHeads =
    "SELECT h.stream, h.epoch, h.partition, h.next_offset FROM unnest((SELECT $1::smallint[])) AS u (stream)"
    " JOIN log.heads h ON h.stream = u.stream";  // selected, so that it is not planned anew each time
constexpr const char* kCommit =
    "SELECT log.commit_offset($1, $2, w.s, w.e, w.p, w.n, w.f)"
    " FROM unnest($3::smallint[], $4::integer[], $5::integer[], $6::bigint[], $7::bigint[]) AS w (s, e, p, n, f)"
    " ORDER BY w.s, w.e, w.p";  // one order of locks
constexpr const char* kPutState = "SELECT log.put_state($1, $2, $3)";
constexpr const char* kGetState = "SELECT log.get_state($1, $2) WHERE $3::bytea IS NOT NULL";

// One poll's records stay within this, except a single record that is larger.
constexpr std::size_t kMaxPollOctets = 64u << 20;
// Nothing to read: look again after this, which is most of the latency of an idle system.
constexpr std::chrono::milliseconds kIdlePause{10};
constexpr std::chrono::milliseconds kMostGathering{100};

bool same_partition(const Cursor& a, const Cursor& b) {
  return a.stream == b.stream && a.epoch == b.epoch && a.partition == b.partition;
}

std::vector<int> numbers_of(const std::vector<Stream>& streams) {
  std::vector<int> numbers;
  for (const Stream stream : streams) numbers.push_back(static_cast<int>(stream));
  return numbers;
}

Cursor cursor_at(const PGresult* rows, int row) {
  return {static_cast<Stream>(int_of(rows, row, 0)), static_cast<std::int32_t>(int_of(rows, row, 1)),
          static_cast<std::int32_t>(int_of(rows, row, 2)), int_of(rows, row, 3)};
}

// Gathers the rows of one COPY TO STDOUT; what is over the octet limit is passed by, not kept.
class RowGatherer {
 public:
  void add(BytesView message) {
    CopyRowReader row{message};
    if (row.field_count() == -1) return;
    const auto offset = row.take_int64();
    const auto append_time = row.take_int64();
    const auto record = row.take_octets();
    if (row.field_count() != 3 || !offset || !append_time || !record) {
      broken_ = true;
      return;
    }
    if (full_ || (!places_.empty() && storage_.size() + record->size() > kMaxPollOctets)) {
      full_ = true;
      return;
    }
    places_.push_back({*offset, *append_time, storage_.size(), record->size()});
    storage_.insert(storage_.end(), record->begin(), record->end());
  }
  bool broken() const { return broken_; }
  bool full() const { return full_; }
  // Moves what was gathered into `batch`; the views are made once the storage stands still.
  void finish(PollBatch& batch) {
    batch.storage = std::move(storage_);
    batch.records.reserve(places_.size());
    for (const Place& place : places_) {
      batch.records.push_back(
          {place.offset, place.append_time, BytesView{batch.storage}.subspan(place.start, place.size)});
    }
  }

 private:
  struct Place {
    std::int64_t offset;
    UnixMicros append_time;
    std::size_t start;
    std::size_t size;
  };
  Bytes storage_;
  std::vector<Place> places_;
  bool broken_ = false;
  bool full_ = false;
};

}  // namespace

PostgresConsumer::PostgresConsumer(PostgresLogConfig config, std::string group, std::vector<Stream> streams)
    : config_(std::move(config)),
      group_(std::move(group)),
      streams_(std::move(streams)),
      member_(to_uuid_text(random_raw_id())),
      record_limit_(kMaxAppendEntries) {}

PostgresConsumer::~PostgresConsumer() { leave(); }

Result<void> PostgresConsumer::ensure_connected() {
  if (connection_) return {};
  SessionLimits limits{.application_name = "muster consumer",
                       .connect_timeout = config_.connect_timeout,
                       .lock_timeout = config_.lock_timeout,
                       .idle_in_transaction = config_.idle_timeout,
                       .statement_timeout = 3 * config_.idle_timeout,
                       .network_timeout = config_.network_timeout};
  MUSTER_TRY(auto connection, PostgresConnection::connect(config_.database_url, limits));
  MUSTER_TRY(epochs_, read_epochs(*connection));
  connection_ = std::move(connection);
  renewed_ = {};
  return {};
}

Error PostgresConsumer::failed(Error error) {
  connection_.reset();
  return error;
}

Result<void> PostgresConsumer::renew_leases() {
  // Three chances to renew before the lease ends; while there is nothing to do, a newcomer's share comes sooner.
  const auto now = Steady::now();
  const auto interval = held_.empty() ? std::min(config_.lease / 4, std::chrono::milliseconds{200}) : config_.lease / 4;
  if (!rewound_ && renewed_ != Steady::time_point{} && now - renewed_ < interval) return {};
  MUSTER_TRY(const PgResult rows, connection_->query(kLease, {group_, member_, array_text(numbers_of(streams_)),
                                                              std::to_string(config_.lease.count())}));
  std::vector<Held> leased;
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    Held held{cursor_at(rows.get(), row), int_of(rows.get(), row, 4), 0};
    const auto known = std::find_if(held_.begin(), held_.end(), [&](const Held& h) {
      return same_partition(h.position, held.position) && h.fence == held.fence;
    });
    if (known != held_.end() && !rewound_) held = *known;
    leased.push_back(held);
  }
  held_ = std::move(leased);
  renewed_ = now;
  rewound_ = false;
  return {};
}

Result<void> PostgresConsumer::read_heads() {
  MUSTER_TRY(const PgResult rows, connection_->query(kHeads, {array_text(numbers_of(streams_))}));
  for (int row = 0; row < PQntuples(rows.get()); ++row) {
    const Cursor head = cursor_at(rows.get(), row);
    for (Held& held : held_) {
      if (same_partition(held.position, head)) held.head = head.offset;
    }
  }
  return {};
}

PostgresConsumer::Held* PostgresConsumer::next_with_records() {
  for (std::size_t i = 0; i < held_.size(); ++i) {
    Held& held = held_[(turn_ + i) % held_.size()];
    if (held.position.offset >= held.head) continue;
    turn_ = (turn_ + i + 1) % held_.size();
    return &held;
  }
  return nullptr;
}

bool PostgresConsumer::has_records() const {
  return std::any_of(held_.begin(), held_.end(), [](const Held& held) { return held.position.offset < held.head; });
}

Result<PollBatch> PostgresConsumer::read(Held& held, std::size_t max_records) {
  const Cursor& at = held.position;
  const std::size_t limit = std::min(max_records, record_limit_);
  RowGatherer rows;
  MUSTER_TRY_VOID(connection_->copy_out(
      "COPY (SELECT log_offset, append_time, record FROM " + partition_table(at.stream, at.epoch, at.partition) +
          " WHERE log_offset >= " + std::to_string(at.offset) + " ORDER BY log_offset LIMIT " + std::to_string(limit) +
          ") TO STDOUT (FORMAT binary)",
      [&rows](BytesView message) { rows.add(message); }));
  if (rows.broken()) return internal_error("a row of COPY has another form");
  PollBatch batch;
  rows.finish(batch);
  record_limit_ = rows.full() ? batch.records.size() : std::min(record_limit_ * 2, kMaxAppendEntries);
  // Trimmed since the lease: everything up to the head is gone.
  held.position.offset = batch.records.empty() ? held.head : batch.records.back().offset + 1;
  batch.next = held.position;
  batch.fence = held.fence;
  return batch;
}

// A round through all partitions costs a transaction each, whether it brings one record or a thousand: after a round
// records gather for a few times as long as it took.
void PostgresConsumer::end_round() {
  if (!in_round_) return;
  in_round_ = false;
  const auto now = Steady::now();
  look_due_ = now + std::min<Steady::duration>(4 * (now - round_began_), kMostGathering);
}

Result<PollBatch> PostgresConsumer::poll_once(std::size_t max_records, bool look) {
  MUSTER_TRY_VOID(ensure_connected());
  MUSTER_TRY_VOID(renew_leases());
  Held* held = next_with_records();
  if (held == nullptr) end_round();
  if (held == nullptr && !held_.empty() && (look || Steady::now() >= look_due_)) {
    round_began_ = Steady::now();
    MUSTER_TRY_VOID(read_heads());
    held = next_with_records();
    in_round_ = held != nullptr;
  }
  if (held == nullptr) return PollBatch{};
  MUSTER_TRY(PollBatch batch, read(*held, max_records));
  batch.more = has_records();
  return batch;
}

Result<PollBatch> PostgresConsumer::poll(std::size_t max_records, std::chrono::milliseconds wait) {
  const auto until = Steady::now() + wait;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Steady::now());
    auto batch = poll_once(max_records, left.count() <= 0);
    if (!batch.ok()) return failed(std::move(batch).error());
    if (!batch->records.empty() || left.count() <= 0) return batch;
    std::this_thread::sleep_for(std::min(left, kIdlePause));
  }
}

Result<void> PostgresConsumer::commit_offsets(std::span<const Advance> advances) {
  std::vector<int> streams, epochs, partitions;
  std::vector<std::int64_t> offsets, fences;
  for (const Advance& advance : advances) {
    streams.push_back(static_cast<int>(advance.next.stream));
    epochs.push_back(advance.next.epoch);
    partitions.push_back(advance.next.partition);
    offsets.push_back(advance.next.offset);
    fences.push_back(advance.fence);
  }
  MUSTER_TRY(const PgResult done,
             connection_->query(kCommit, {group_, member_, array_text(streams), array_text(epochs),
                                          array_text(partitions), array_text(offsets), array_text(fences)}));
  return {};
}

Result<void> PostgresConsumer::commit(const Cursor& next, std::int64_t fence) {
  MUSTER_TRY_VOID(ensure_connected());
  const Advance advance{next, fence};
  auto done = commit_offsets({&advance, 1});
  if (!done.ok()) return failed(std::move(done).error());
  return {};
}

Result<void> PostgresConsumer::seek(const Cursor& to) {
  const auto held =
      std::find_if(held_.begin(), held_.end(), [&](const Held& h) { return same_partition(h.position, to); });
  if (held == held_.end()) return Error{ErrorCode::kConflict, reasons::kFenced, "the partition is not leased"};
  MUSTER_TRY_VOID(commit(to, held->fence));
  held->position = to;
  return {};
}

std::unique_ptr<Transaction> PostgresConsumer::begin() { return std::make_unique<PostgresTransaction>(*this); }

Result<std::optional<Bytes>> PostgresConsumer::get_state(std::string_view key) {
  MUSTER_TRY_VOID(ensure_connected());
  auto rows = connection_->query_binary(kGetState, {group_, std::string{key}}, {});
  if (!rows.ok()) return failed(std::move(rows).error());
  if (PQntuples(rows->get()) == 0 || PQgetisnull(rows->get(), 0, 0) != 0) return std::optional<Bytes>{};
  return std::optional<Bytes>{to_bytes(text_of(rows->get(), 0, 0))};
}

void PostgresConsumer::rewind() { rewound_ = true; }

void PostgresConsumer::leave() {
  if (!connection_ || held_.empty()) return;
  // A courtesy: where it fails, the leases end by themselves.
  static_cast<void>(connection_->query(kLeave, {group_, member_}));
  held_.clear();
  renewed_ = {};
}

Result<void> PostgresTransaction::produce(Stream stream, std::string_view key, BytesView record) {
  if (record.size() < kRecordFixedSize) {
    return Error{ErrorCode::kInvalidArgument, reasons::kBatchInvalid, "a record is shorter than its fixed part"};
  }
  produced_.push_back({stream, key.size(), octets_.size(), record.size()});
  octets_.insert(octets_.end(), key.begin(), key.end());
  octets_.insert(octets_.end(), record.begin(), record.end());
  return {};
}

Result<void> PostgresTransaction::put_state(std::string_view key, BytesView value) {
  states_.push_back({std::string{key}, {value.begin(), value.end()}});
  return {};
}

Result<void> PostgresTransaction::commit() {
  auto done = commit_once();
  if (!done.ok() && done.error().reason == reasons::kEpochOver) {
    consumer_.connection_.reset();
    done = commit_once();
  }
  if (!done.ok()) return consumer_.failed(std::move(done).error());
  return {};
}

Result<void> PostgresTransaction::commit_once() {
  MUSTER_TRY_VOID(consumer_.ensure_connected());
  PostgresConnection& connection = *consumer_.connection_;
  const StreamEpochs& epochs = consumer_.epochs_;
  std::vector<PendingRecord> pending;
  pending.reserve(produced_.size());
  for (const Produced& one : produced_) {
    const BytesView octets = BytesView{octets_}.subspan(one.start, one.key_size + one.record_size);
    const std::int32_t partitions = epochs[static_cast<std::size_t>(one.stream)].partitions;
    pending.push_back(
        {one.stream, partition_of(as_text(octets.first(one.key_size)), partitions), octets.subspan(one.key_size)});
  }
  MUSTER_TRY_VOID(connection.execute("BEGIN"));
  // First the offsets: they hold the leases' rows, so a fenced member stops before it writes anything.
  MUSTER_TRY_VOID(consumer_.commit_offsets(advances_));
  if (!pending.empty()) {
    MUSTER_TRY(const AppendOutcome outcome, consumer_.writer_.write(connection, epochs, std::nullopt, pending));
    static_cast<void>(outcome);
  }
  for (const State& state : states_) {
    MUSTER_TRY(const PgResult done, connection.query_binary(kPutState, {consumer_.group_, state.key}, state.value));
  }
  return connection.execute("COMMIT");
}

}  // namespace muster::ingest
