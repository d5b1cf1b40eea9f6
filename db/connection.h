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
#include <vector>

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
  std::string statement;  // its name, where it was a prepared one
};

struct ParameterView {
  const char* data = nullptr;  // nullptr: NULL
  int length = 0;
  int format = 0;  // 0 text, 1 binary
};

// Answer is where the result of a queued statement is put.
struct Answer {
  std::shared_ptr<PGresult> result;  // nullptr: not there yet
};

// Connection is confined to one thread at a time. Never throws.
class Connection {
 public:
  // Reason: database.unavailable.
  static Result<std::unique_ptr<Connection>> open(const ConnectionConfig& config);

  // Runs SQL without parameters, several statements allowed (simple query protocol); returns the last one's result.
  // Before it all that is queued is run.
  Result<ResultPtr> execute(const std::string& sql);
  // Puts a statement behind those that wait to be sent (libpq's pipeline mode); it is prepared under `name` on first
  // use. Only an Error of this side is returned here.
  Result<void> queue_prepared(const std::string& name, const std::string& sql,
                              std::span<const ParameterView> parameters, std::shared_ptr<Answer> answer = nullptr);
  bool has_queued() const { return !queued_.empty(); }
  // Sends all that wait, in one round trip; after one that fails the server runs none. Returns the result of the last
  // one without an Answer, if any, or the Error of the first that failed. Results are binary.
  Result<ResultPtr> run_queued();
  // Sends all that wait and leaves their answers to whoever uses the connection next: for the end of a transaction that
  // changed nothing.
  void send_queued();

  // Runs a COPY … TO STDOUT and hands each message to `take`; an error of it ends the copy, and the connection with it.
  Result<void> copy_out(const std::string& sql, const std::function<Result<void>(BytesView)>& take);

  // After an Error: what the server said.
  const StatementError& last_error() const { return last_error_; }
  bool is_broken() const { return broken_ || PQstatus(connection_.get()) != CONNECTION_OK; }
  // Outside of a transaction, or will be when the answers that were left have come.
  bool is_idle() const { return answers_left_ || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE; }
  void mark_broken() { broken_ = true; }
  PGconn* raw() { return connection_.get(); }

  std::chrono::steady_clock::time_point last_used() const { return last_used_; }

 private:
  struct ConnectionDelete {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Connection(PGconn* connection, std::chrono::milliseconds deadline) : connection_(connection), deadline_(deadline) {}
  Result<ResultPtr> collect(bool sent);
  Result<void> settle();
  Result<void> catch_up();
  Result<ResultPtr> collect_queued();
  // 1: a message, 0: the end, below 0: failed.
  int next_copied(char** message, std::chrono::steady_clock::time_point deadline);
  bool wait_for_answer(std::chrono::steady_clock::time_point deadline);
  Error fail(PGresult* result, std::string statement = {});
  Error lose();

  std::unique_ptr<PGconn, ConnectionDelete> connection_;
  // The client's own limit, above the server's statement_timeout: only a frozen server or a dead network reaches it.
  std::chrono::milliseconds deadline_;
  std::set<std::string, std::less<>> prepared_;
  // What was queued, in order: each command of a statement has an answer of its own.
  struct Queued {
    std::string statement;
    bool is_preparation;
    std::shared_ptr<Answer> answer;
  };
  std::vector<Queued> queued_;
  bool answers_left_ = false;
  StatementError last_error_;
  bool broken_ = false;
  std::chrono::steady_clock::time_point last_used_ = std::chrono::steady_clock::now();
};

// to_error is the one place where PostgreSQL's SQLSTATE becomes an Error (PostgreSQL 15, Appendix A).
Error to_error(const StatementError& error);

}  // namespace muster::db
