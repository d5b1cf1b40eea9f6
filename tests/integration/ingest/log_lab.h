// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a PostgreSQL database with the log's tables and two edges' roles.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "ingest/postgres/postgres_log.h"
#include "support/postgres_lab.h"

namespace muster::ingest {

class LogLab {
 public:
  LogLab()
      : database_(std::make_unique<test_support::TestDatabase>(test_support::PostgresLab::shared().create_database())) {
    // Roles belong to the server: the databases of one test process share them.
    for (int number = 1; number <= 2; ++number) {
      database_->execute("DO $$ BEGIN CREATE ROLE " + edge_role(number) +
                         " LOGIN NOINHERIT; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
      database_->execute("SELECT log.grant_appender('" + edge_role(number) + "')");
    }
  }
  // Four partitions are enough, and make tests about sharing short.
  void use_four_partitions() {
    for (const char* stream : {"raw", "normalized", "dead-letters", "lifecycle"}) {
      database_->execute(std::string{"SELECT log.open_epoch('"} + stream + "', 4)");
    }
  }

  static std::string edge_role(int number) { return "muster_edge_" + std::string(31, '0') + std::to_string(number); }
  std::unique_ptr<Log> open(const std::string& role) const {
    PostgresLogConfig config;
    config.database_url = database_->url(role);
    config.lease = std::chrono::milliseconds{500};
    auto log = PostgresLog::create(config);
    if (!log.ok()) throw std::runtime_error(to_log_text(log.error()));
    return std::move(*log);
  }
  std::unique_ptr<Log> as_edge(int number) const { return open(edge_role(number)); }
  std::unique_ptr<Log> as_worker() const { return open("muster_worker"); }
  const test_support::TestDatabase& database() const { return *database_; }
  std::string execute(const std::string& sql) const { return database_->execute(sql); }

 protected:
  std::unique_ptr<test_support::TestDatabase> database_;
};

}  // namespace muster::ingest
