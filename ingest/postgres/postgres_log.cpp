// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/postgres_log.h"

#include "ingest/postgres/appender.h"
#include "ingest/postgres/consumer.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr int kRemovedAtOnce = 5000;  // rows of each partition
constexpr std::chrono::seconds kLongestRemoval{60};

}  // namespace

Result<std::unique_ptr<PostgresLog>> PostgresLog::create(PostgresLogConfig config) {
  const auto invalid = [](const char* key) { return Error{ErrorCode::kInvalidArgument, reasons::kConfigInvalid, key}; };
  if (config.database_url.empty()) return invalid("database_url");
  if (config.connect_timeout.count() <= 0) return invalid("connect_timeout");
  if (config.lock_timeout.count() <= 0) return invalid("lock_timeout");
  if (config.idle_timeout.count() <= 0) return invalid("idle_timeout");
  if (config.network_timeout.count() <= 0) return invalid("network_timeout");
  if (config.lease.count() <= 0) return invalid("lease");
  return std::unique_ptr<PostgresLog>{new PostgresLog(std::move(config))};
}

std::unique_ptr<Appender> PostgresLog::open_appender() { return std::make_unique<PostgresAppender>(config_); }

std::unique_ptr<Consumer> PostgresLog::subscribe(std::string_view group, std::vector<Stream> streams) {
  return std::make_unique<PostgresConsumer>(config_, std::string{group}, std::move(streams));
}

// Rare, so with a connection of its own; in small transactions, since appenders wait while heads move.
Result<std::uint64_t> PostgresLog::retain(Stream stream, std::chrono::hours keep, std::string_view group) {
  SessionLimits limits;
  limits.application_name = "muster retention";
  limits.connect_timeout = config_.connect_timeout;
  limits.statement_timeout = kLongestRemoval;
  limits.network_timeout = config_.network_timeout;
  MUSTER_TRY(const auto connection, PostgresConnection::connect(config_.database_url, limits));
  MUSTER_TRY(const auto removed, connection->query("SELECT log.retain($1, $2::integer, $3, $4::integer)",
                                                   {std::string{to_string(stream)}, std::to_string(keep.count()),
                                                    std::string{group}, std::to_string(kRemovedAtOnce)}));
  return static_cast<std::uint64_t>(int_of(removed.get(), 0, 0));
}

}  // namespace muster::ingest
