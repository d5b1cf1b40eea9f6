// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingest/log.h"
#include "ingest/postgres/connection.h"
#include "ingest/postgres/record_writer.h"

namespace muster::ingest {

class PostgresConsumer final : public Consumer {
 public:
  PostgresConsumer(PostgresLogConfig config, std::string group, std::vector<Stream> streams);
  ~PostgresConsumer() override;
  PostgresConsumer(const PostgresConsumer&) = delete;
  PostgresConsumer& operator=(const PostgresConsumer&) = delete;

  Result<PollBatch> poll(std::size_t max_records, std::chrono::milliseconds wait) override;
  Result<void> commit(const Cursor& next, std::int64_t fence) override;
  Result<void> seek(const Cursor& to) override;
  std::unique_ptr<Transaction> begin() override;
  Result<std::optional<Bytes>> get_state(std::string_view key) override;
  void rewind() override;
  void leave() override;

 private:
  friend class PostgresTransaction;
  using Steady = std::chrono::steady_clock;
  struct Held {
    Cursor position;  // the next offset that poll reads
    std::int64_t fence = 0;
    std::int64_t head = 0;  // the partition's end when last asked
  };
  Result<void> ensure_connected();
  // Drops the connection after an error; the next call makes a new one, under the same member id.
  Error failed(Error error);
  Result<void> renew_leases();
  Result<void> read_heads();
  Held* next_with_records();
  bool has_records() const;
  Result<PollBatch> read(Held& held, std::size_t max_records);
  // `look`: ask for new records where all that are known of have been read.
  Result<PollBatch> poll_once(std::size_t max_records, bool look);
  void end_round();
  struct Advance {
    Cursor next;
    std::int64_t fence;
  };
  Result<void> commit_offsets(std::span<const Advance> advances);

  const PostgresLogConfig config_;
  const std::string group_;
  const std::vector<Stream> streams_;
  const std::string member_;
  std::unique_ptr<PostgresConnection> connection_;
  StreamEpochs epochs_{};
  RecordWriter writer_;
  std::vector<Held> held_;
  std::size_t turn_ = 0;  // partitions take turns
  Steady::time_point renewed_{};
  Steady::time_point round_began_{};  // when the heads were read that the present round works off
  Steady::time_point look_due_{};
  bool in_round_ = false;
  bool rewound_ = false;
  std::size_t record_limit_;  // lowered while records are large
};

class PostgresTransaction final : public Transaction {
 public:
  explicit PostgresTransaction(PostgresConsumer& consumer) : consumer_(consumer) {}
  Result<void> produce(Stream stream, std::string_view key, BytesView record) override;
  Result<void> put_state(std::string_view key, BytesView value) override;
  std::size_t octets() const override { return octets_.size(); }
  void advance(const Cursor& next, std::int64_t fence) override { advances_.push_back({next, fence}); }
  Result<void> commit() override;

 private:
  struct Produced {
    Stream stream;
    std::size_t key_size;
    std::size_t start;  // of the key in octets_, the record follows
    std::size_t record_size;
  };
  struct State {
    std::string key;
    Bytes value;
  };
  Result<void> commit_once();
  PostgresConsumer& consumer_;
  Bytes octets_;  // keys and records, one after the other
  std::vector<Produced> produced_;
  std::vector<State> states_;
  std::vector<PostgresConsumer::Advance> advances_;
};

}  // namespace muster::ingest
