// SPDX-License-Identifier: Apache-2.0
#include "db/connection.h"

#include <poll.h>

#include <array>
#include <utility>
#include <vector>

#include "db/reasons.h"

namespace muster::db {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kGrace{5000};             // beyond statement_timeout, before a server counts as frozen
constexpr milliseconds kLongestWait{3'600'000};  // where no statement_timeout is set (migrations)

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

std::string setting(const char* name, milliseconds value) {
  return "SET " + std::string(name) + " = " + std::to_string(value.count()) + ";";
}

// search_path is fixed so that no object of a hostile schema can stand in for one of ours; all names are qualified.
std::string session_settings(const ConnectionConfig& config) {
  return setting("statement_timeout", config.statement_timeout) + setting("lock_timeout", config.lock_timeout) +
         setting("idle_in_transaction_session_timeout", config.idle_in_transaction_timeout) +
         "SET synchronous_commit = on; SET search_path = pg_catalog, pg_temp; SET timezone = 'UTC';"
         "SET client_min_messages = warning";
}

}  // namespace

Error to_error(const StatementError& error) {
  const std::string_view state = error.sqlstate;
  const std::string detail = (state.empty() ? "" : error.sqlstate + " ") + error.message;
  if (state.empty() || starts_with(state, "08") || starts_with(state, "57P") || starts_with(state, "53") ||
      starts_with(state, "58") || state == "25006") {
    return {ErrorCode::kUnavailable, kDatabaseUnavailable, detail};
  }
  if (state == "40001" || state == "40P01") return {ErrorCode::kUnavailable, kDatabaseContention, detail};
  if (state == "57014" || state == "55P03" || state == "25P03") {
    return {ErrorCode::kDeadlineExceeded, kDatabaseTimeout, detail};
  }
  if (state == "23505" || state == "23503" || state == "23P01") {
    return {ErrorCode::kConflict, kDatabaseConflict, detail};
  }
  if (state == "42501") return {ErrorCode::kPermissionDenied, kDatabaseValueRefused, detail};
  if (starts_with(state, "23") || starts_with(state, "22")) {
    return {ErrorCode::kInvalidArgument, kDatabaseValueRefused, detail};
  }
  return {ErrorCode::kInternal, kDatabaseFailed, detail};
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionConfig& config) {
  // What stands before dbname is a default that the connection string may change.
  const std::array<const char*, 6> keys = {"connect_timeout", "tcp_user_timeout", "keepalives_idle",
                                           "dbname",          "application_name", nullptr};
  const std::array<const char*, 6> values = {"5",    "20000", "15", config.url.c_str(), config.application_name.c_str(),
                                             nullptr};
  const milliseconds deadline = config.statement_timeout.count() > 0 ? config.statement_timeout + kGrace : kLongestWait;
  std::unique_ptr<Connection> connection(
      new Connection(PQconnectdbParams(keys.data(), values.data(), /*expand_dbname=*/1), deadline));
  PGconn* raw = connection->connection_.get();
  if (PQstatus(raw) != CONNECTION_OK) {
    return Error{ErrorCode::kUnavailable, kDatabaseUnavailable, raw == nullptr ? "out of memory" : PQerrorMessage(raw)};
  }
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  if (PQsetnonblocking(raw, 1) != 0) return Error{ErrorCode::kUnavailable, kDatabaseUnavailable, PQerrorMessage(raw)};
  MUSTER_TRY_VOID(connection->execute(session_settings(config)));
  return connection;
}

Result<ResultPtr> Connection::execute(const std::string& sql) {
  MUSTER_TRY_VOID(catch_up());
  return collect(PQsendQuery(connection_.get(), sql.c_str()) == 1);
}

Result<void> Connection::queue_prepared(const std::string& name, const std::string& sql,
                                        std::span<const ParameterView> parameters, std::shared_ptr<Answer> answer) {
  PGconn* raw = connection_.get();
  MUSTER_TRY_VOID(settle());
  if (queued_.empty() && PQenterPipelineMode(raw) != 1) return lose();
  if (prepared_.insert(name).second) {
    queued_.push_back({name, /*is_preparation=*/true, nullptr});
    if (PQsendPrepare(raw, name.c_str(), sql.c_str(), 0, nullptr) != 1) return lose();
  }
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const ParameterView& parameter : parameters) {
    values.push_back(parameter.data);
    lengths.push_back(parameter.length);
    formats.push_back(parameter.format);
  }
  queued_.push_back({name, /*is_preparation=*/false, std::move(answer)});
  const bool sent = PQsendQueryPrepared(raw, name.c_str(), static_cast<int>(parameters.size()), values.data(),
                                        lengths.data(), formats.data(), /*resultFormat=*/1) == 1;
  return sent ? Result<void>{} : lose();
}

Result<ResultPtr> Connection::run_queued() {
  if (PQpipelineSync(connection_.get()) != 1) return lose();
  return collect_queued();
}

void Connection::send_queued() {
  answers_left_ = true;
  const bool sent = PQpipelineSync(connection_.get()) == 1 && PQflush(connection_.get()) >= 0;
  if (!sent) broken_ = true;
}

// Reads the answers that send_queued left.
Result<void> Connection::settle() {
  if (!std::exchange(answers_left_, false)) return {};
  MUSTER_TRY_VOID(collect_queued());
  if (PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return {};
  return lose();
}

Result<void> Connection::catch_up() {
  MUSTER_TRY_VOID(settle());
  if (has_queued()) MUSTER_TRY_VOID(run_queued());
  return {};
}

// Each command has its answers, then a null pointer; the synchronisation comes last and has none.
Result<ResultPtr> Connection::collect_queued() {
  last_used_ = Clock::now();
  const auto deadline = last_used_ + deadline_;
  const std::vector<Queued> queued = std::exchange(queued_, {});
  ResultPtr last;
  ResultPtr failed;
  std::string failed_statement;
  for (std::size_t at = 0;;) {
    if (!wait_for_answer(deadline) || at > queued.size()) {
      broken_ = true;
      return fail(failed.get(), failed_statement);
    }
    ResultPtr next(PQgetResult(connection_.get()));
    if (!next) {
      ++at;
      continue;
    }
    const ExecStatusType status = PQresultStatus(next.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (at == queued.size()) return lose();
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      if (queued[at].answer) {
        queued[at].answer->result = {next.release(), ResultDelete{}};
      } else {
        last = std::move(next);
      }
      continue;
    }
    if (queued[at].is_preparation) prepared_.erase(queued[at].statement);
    if (status == PGRES_PIPELINE_ABORTED || failed) continue;
    failed = std::move(next);
    failed_statement = queued[at].statement;
  }
  if (PQexitPipelineMode(connection_.get()) != 1) return lose();
  if (failed) return fail(failed.get(), failed_statement);
  return last;
}

Error Connection::lose() {
  broken_ = true;
  return fail(nullptr);
}

bool Connection::wait_for_answer(Clock::time_point deadline) {
  PGconn* raw = connection_.get();
  for (;;) {
    const int unsent = PQflush(raw);
    if (unsent < 0) return false;
    if (unsent == 0 && PQisBusy(raw) == 0) return true;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd socket{PQsocket(raw), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = poll(&socket, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0 && (socket.revents & ~POLLOUT) != 0 && PQconsumeInput(raw) == 0) return false;
  }
}

Result<ResultPtr> Connection::collect(bool sent) {
  last_used_ = Clock::now();
  if (!sent) return lose();
  const auto deadline = last_used_ + deadline_;
  ResultPtr last;
  ResultPtr failed;
  for (;;) {
    if (!wait_for_answer(deadline)) {
      broken_ = true;
      // What the server said before it closed the connection ("terminating connection due to …") is the better cause.
      return fail(failed.get());
    }
    ResultPtr next(PQgetResult(connection_.get()));
    if (!next) break;
    const ExecStatusType status = PQresultStatus(next.get());
    const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
    if (!good && !failed) {
      failed = std::move(next);
    } else if (good) {
      last = std::move(next);
    }
  }
  if (failed || !last) return fail(failed.get());
  return last;
}

int Connection::next_copied(char** message, Clock::time_point deadline) {
  PGconn* raw = connection_.get();
  for (;;) {
    const int length = PQgetCopyData(raw, message, /*async=*/1);
    if (length > 0) return length;
    if (length < 0) return length == -1 ? 0 : -1;
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return -1;
    pollfd socket{PQsocket(raw), POLLIN, 0};
    const int ready = poll(&socket, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return -1;
    if (ready > 0 && PQconsumeInput(raw) == 0) return -1;
  }
}

Result<void> Connection::copy_out(const std::string& sql, const std::function<Result<void>(BytesView)>& take) {
  MUSTER_TRY_VOID(catch_up());
  last_used_ = Clock::now();
  const auto deadline = last_used_ + deadline_;
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1 || !wait_for_answer(deadline)) return lose();
  {
    const ResultPtr begun(PQgetResult(connection_.get()));
    if (PQresultStatus(begun.get()) != PGRES_COPY_OUT) {
      const Error error = fail(begun.get());
      while (ResultPtr(PQgetResult(connection_.get()))) continue;
      return error;
    }
  }
  for (;;) {
    char* message = nullptr;
    const int length = next_copied(&message, deadline);
    if (length == 0) break;
    if (length < 0) return lose();
    const std::unique_ptr<char, decltype(&PQfreemem)> held(message, &PQfreemem);
    auto taken = take({reinterpret_cast<const std::uint8_t*>(message), static_cast<std::size_t>(length)});
    if (!taken.ok()) {
      broken_ = true;  // the rest is on its way
      return taken;
    }
  }
  MUSTER_TRY_VOID(collect(true));
  return {};
}

Error Connection::fail(PGresult* result, std::string statement) {
  last_error_ = {};
  last_error_.statement = std::move(statement);
  if (result != nullptr) {
    last_error_.sqlstate = field(result, PG_DIAG_SQLSTATE);
    last_error_.constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
    last_error_.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  }
  if (last_error_.message.empty()) last_error_.message = PQerrorMessage(connection_.get());
  if (is_broken() && last_error_.sqlstate != "25P03") last_error_.sqlstate.clear();
  Error error = to_error(last_error_);
  if (!last_error_.statement.empty()) error.detail = last_error_.statement + ": " + error.detail;
  return error;
}

}  // namespace muster::db
