// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "ingest/log.h"

namespace muster::ingest {

struct PostgresLogConfig {
  std::string database_url;  // libpq connection string; its role decides what is allowed
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds lock_timeout{2000};   // waiting for a partition's head
  std::chrono::milliseconds idle_timeout{10000};  // a client that hangs inside a transaction holds heads for this long
  std::chrono::milliseconds network_timeout{10000};  // tcp_user_timeout, both directions
  std::chrono::milliseconds lease{10000};            // consumers: a dead member's partitions are taken over after this
};

// PostgresLog is the engine on PostgreSQL tables (migrations/002x). Opening makes no connection: each appender and
// consumer has its own, made when it is first used. Thread-safe.
class PostgresLog final : public Log {
 public:
  // Reason: log.config_invalid (empty url, a duration that is not positive).
  static Result<std::unique_ptr<PostgresLog>> create(PostgresLogConfig config);
  std::unique_ptr<Appender> open_appender() override;
  std::unique_ptr<Consumer> subscribe(std::string_view group, std::vector<Stream> streams) override;
  Result<std::uint64_t> retain(Stream stream, std::chrono::hours keep, std::string_view group) override;

 private:
  explicit PostgresLog(PostgresLogConfig config) : config_(std::move(config)) {}
  PostgresLogConfig config_;
};

}  // namespace muster::ingest
