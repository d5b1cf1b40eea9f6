// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/postgres_log.h"

#include "ingest/postgres/appender.h"
#include "ingest/postgres/consumer.h"
#include "ingest/reasons.h"

namespace muster::ingest {

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

}  // namespace muster::ingest
