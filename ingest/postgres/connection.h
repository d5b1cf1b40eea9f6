// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one libpq connection. libpqxx has no binary COPY and no way to its raw connection, so the log has its own.
// A failed call leaves the connection unusable for its owner: drop it and connect again.
#pragma once

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "ingest/postgres/postgres_log.h"

namespace muster::ingest {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ClearResult>;

// What each session sets, in milliseconds; 0 leaves PostgreSQL's default.
struct SessionLimits {
  std::string_view application_name;
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds lock_timeout{0};
  std::chrono::milliseconds idle_in_transaction{0};
  std::chrono::milliseconds statement_timeout{0};
  std::chrono::milliseconds network_timeout{0};
};

// Confined to one thread at a time.
class PostgresConnection {
 public:
  // Commits of this session are always durable (synchronous_commit=on), whatever the role's or database's default.
  static Result<std::unique_ptr<PostgresConnection>> connect(const std::string& url, const SessionLimits& limits);

  // execute runs statements without parameters and drops their rows.
  Result<void> execute(const char* sql);
  // query runs one statement, a constant: it is prepared at its first use. Parameters and rows are text.
  Result<PgResult> query(const char* sql, const std::vector<std::string>& parameters);
  // query_binary: as query, but the last parameter is bytea in binary form and rows come in binary form.
  Result<PgResult> query_binary(const char* sql, const std::vector<std::string>& parameters, BytesView last);
  // copy_in sends one whole COPY … FROM STDIN (FORMAT binary).
  Result<void> copy_in(const std::string& sql, BytesView data);
  // copy_out hands each message of COPY … TO STDOUT to `row`, which must not keep the view.
  Result<void> copy_out(const std::string& sql, const std::function<void(BytesView)>& row);

 private:
  explicit PostgresConnection(PGconn* connection) : connection_(connection) {}
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Result<const char*> prepared(const char* sql);
  Error failure(const PGresult* result) const;
  Result<void> expect(PGresult* result, ExecStatusType status) const;
  Result<void> finish_command();
  std::unique_ptr<PGconn, Finish> connection_;
  std::unordered_map<const char*, std::string> prepared_;  // names of statements, by the address of their text
};

std::string_view text_of(const PGresult* result, int row, int column);
std::int64_t int_of(const PGresult* result, int row, int column);
// array_text writes a PostgreSQL array literal of numbers: {1,2,3}.
template <typename Numbers>
std::string array_text(const Numbers& numbers) {
  std::string text = "{";
  for (const auto& number : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(number);
  }
  return text + '}';
}

}  // namespace muster::ingest
