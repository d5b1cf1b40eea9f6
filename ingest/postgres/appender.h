// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "ingest/log.h"
#include "ingest/postgres/connection.h"
#include "ingest/postgres/record_writer.h"

namespace muster::ingest {

class PostgresAppender final : public Appender {
 public:
  explicit PostgresAppender(PostgresLogConfig config) : config_(std::move(config)) {}
  Result<AppendOutcome> append(const IncarnationId& incarnation, std::span<const AppendEntry> entries) override;
  Result<std::optional<std::uint64_t>> stored_through(const IncarnationId& incarnation) override;

 private:
  Result<void> ensure_connected();
  Result<AppendOutcome> append_once(const IncarnationId& incarnation, std::span<const AppendEntry> entries);
  const PostgresLogConfig config_;
  std::unique_ptr<PostgresConnection> connection_;  // null until first use and after each error
  StreamEpochs epochs_{};
  RecordWriter writer_;
  std::vector<PendingRecord> pending_;
};

}  // namespace muster::ingest
