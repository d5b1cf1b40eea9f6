// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one libpq connection, the only place in the product's registry side that speaks to PostgreSQL. Internal to
// db/. libpq is used directly, not through libpqxx 6.4: that has no constraint names, no command tag (a COMMIT of a
// failed transaction answers ROLLBACK and looks like success), no binary parameters and no deadline on a frozen server.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::db {

struct ConnectionConfig {
  std::string url;
  std::string application_name;
  std::chrono::milliseconds statement_timeout{};            // 0: none
  std::chrono::milliseconds lock_timeout{};                 // 0: none
  std::chrono::milliseconds idle_in_transaction_timeout{};  // 0: none
};

struct ResultDelete {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDelete>;

// StatementError is what a failed statement says, for the one function that makes an Error of it.
struct StatementError {
  std::string sqlstate;  // empty: the connection broke
  std::string constraint;
  std::string message;
};

struct ParameterView {
  const char* data = nullptr;  // nullptr: NULL
  int length = 0;
  int format = 0;  // 0 text, 1 binary
};

// Connection is confined to one thread at a time. Never throws.
class Connection {
 public:
  // Reason: database.unavailable.
  static Result<std::unique_ptr<Connection>> open(const ConnectionConfig& config);

  // Runs SQL without parameters, several statements allowed (simple query protocol); returns the last one's result.
  Result<ResultPtr> execute(const std::string& sql);
  // Prepares `sql` under `name` on first use, then runs it. Results are binary.
  Result<ResultPtr> execute_prepared(const std::string& name, const std::string& sql,
                                     std::span<const ParameterView> parameters);

  // Runs a COPY … TO STDOUT and hands each message to `take`; an error of it ends the copy, and the connection with it.
  Result<void> copy_out(const std::string& sql, const std::function<Result<void>(BytesView)>& take);

  // After an Error: what the server said.
  const StatementError& last_error() const { return last_error_; }
  bool is_broken() const { return broken_ || PQstatus(connection_.get()) != CONNECTION_OK; }
  void mark_broken() { broken_ = true; }
  PGconn* raw() { return connection_.get(); }

  std::chrono::steady_clock::time_point last_used() const { return last_used_; }

 private:
  struct ConnectionDelete {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Connection(PGconn* connection, std::chrono::milliseconds deadline) : connection_(connection), deadline_(deadline) {}
  Result<ResultPtr> collect(bool sent);
  // 1: a message, 0: the end, below 0: failed.
  int next_copied(char** message, std::chrono::steady_clock::time_point deadline);
  bool wait_for_answer(std::chrono::steady_clock::time_point deadline);
  Error fail(PGresult* result);

  std::unique_ptr<PGconn, ConnectionDelete> connection_;
  // The client's own limit, above the server's statement_timeout: only a frozen server or a dead network reaches it.
  std::chrono::milliseconds deadline_;
  std::set<std::string, std::less<>> prepared_;
  StatementError last_error_;
  bool broken_ = false;
  std::chrono::steady_clock::time_point last_used_ = std::chrono::steady_clock::now();
};

// to_error is the one place where PostgreSQL's SQLSTATE becomes an Error (PostgreSQL 15, Appendix A).
Error to_error(const StatementError& error);

}  // namespace muster::db
