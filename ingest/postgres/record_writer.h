// SPDX-License-Identifier: Apache-2.0
//
// Purpose: writes a batch of records within an open transaction: locks the heads, gives out offsets, copies.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "ingest/log.h"
#include "ingest/postgres/connection.h"

namespace muster::ingest {

struct StreamEpoch {
  std::int32_t epoch = 0;
  std::int32_t partitions = 0;
};

// The current epoch of every stream, indexed by Stream's value.
using StreamEpochs = std::array<StreamEpoch, 5>;

Result<StreamEpochs> read_epochs(PostgresConnection& connection);

struct PendingRecord {
  Stream stream = Stream::kRaw;
  std::int32_t partition = 0;
  BytesView record;
};

std::string partition_table(Stream stream, std::int32_t epoch, std::int32_t partition);  // log.raw_1_0007

// RecordWriter keeps its buffers between batches. Confined to one thread.
class RecordWriter {
 public:
  // write stores `records` in their order; with an incarnation, those at or below its mark are left out. The caller
  // commits, or drops the connection after an error. Reason log.epoch_over: read the epochs again and repeat.
  Result<AppendOutcome> write(PostgresConnection& connection, const StreamEpochs& epochs,
                              const std::optional<IncarnationId>& incarnation, std::span<const PendingRecord> records);

 private:
  struct Head {
    std::int64_t next_offset = 0;
    UnixMicros append_time = 0;
    Bytes rows;
    bool used = false;
  };
  using PartitionKey = std::pair<Stream, std::int32_t>;
  // Returns the incarnation's mark, -1 where it has none.
  Result<std::int64_t> lock_heads(PostgresConnection& connection, const StreamEpochs& epochs,
                                  const std::optional<IncarnationId>& incarnation);
  void add_row(Head& head, BytesView record, std::int64_t sequence) const;
  Result<void> copy_rows(PostgresConnection& connection, const StreamEpochs& epochs);

  std::map<PartitionKey, Head> heads_;  // of the batch in hand; ordered, as the locks are
  std::int32_t appender_ = 0;
};

}  // namespace muster::ingest
