// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/connection.h"

#include <algorithm>
#include <charconv>

#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

Error unavailable(const PGconn* connection) {
  return {ErrorCode::kUnavailable, reasons::kUnavailable, PQerrorMessage(connection)};
}

// Classes and codes of PostgreSQL's appendix A that mean "not now" rather than "not this".
bool is_transient(std::string_view state) {
  return state.starts_with("08") || state.starts_with("40") || state.starts_with("53") || state.starts_with("57") ||
         state.starts_with("58") || state == "55P03" || state.starts_with("25P") || state == "0A000" ||
         state == "26000" || state == "42P05";  // a prepared statement that is not what it was
}

Error error_of(std::string_view state, std::string detail) {
  if (state == "42501") return {ErrorCode::kPermissionDenied, reasons::kPermissionDenied, std::move(detail)};
  if (state == "ML001") return {ErrorCode::kConflict, reasons::kEpochOver, std::move(detail)};
  if (state == "ML002") return {ErrorCode::kConflict, reasons::kFenced, std::move(detail)};
  if (state == "ML003") return {ErrorCode::kInvalidArgument, reasons::kCursorInvalid, std::move(detail)};
  if (state == "ML005") return {ErrorCode::kResourceExhausted, reasons::kGroupLimitReached, std::move(detail)};
  if (is_transient(state)) return {ErrorCode::kUnavailable, reasons::kUnavailable, std::move(detail)};
  return {ErrorCode::kInternal, reasons::kRefused, std::move(detail)};
}

std::string session_options(const SessionLimits& limits) {
  // work_mem: the rows of one COPY stand in memory for the trigger that checks them; with less they go through a file.
  std::string options =
      "-c synchronous_commit=on -c search_path=pg_catalog -c client_min_messages=warning -c work_mem=64MB";
  const auto add = [&options](const char* name, std::chrono::milliseconds value) {
    if (value.count() > 0) options.append(" -c ").append(name).append("=").append(std::to_string(value.count()));
  };
  add("lock_timeout", limits.lock_timeout);
  add("idle_in_transaction_session_timeout", limits.idle_in_transaction);
  add("statement_timeout", limits.statement_timeout);
  add("tcp_user_timeout", limits.network_timeout);
  return options;
}

}  // namespace

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::connect(const std::string& url,
                                                                        const SessionLimits& limits) {
  const std::string options = session_options(limits);
  const std::string name{limits.application_name};
  const std::string timeout = std::to_string(std::max<std::int64_t>(2, limits.connect_timeout.count() / 1000));
  const std::string network = std::to_string(limits.network_timeout.count());
  // dbname is a whole connection string (expand_dbname); what follows it wins over what it says.
  const char* const keywords[] = {"dbname",          "options",          "application_name",
                                  "connect_timeout", "tcp_user_timeout", nullptr};
  const char* const values[] = {url.c_str(), options.c_str(), name.c_str(), timeout.c_str(), network.c_str(), nullptr};
  PGconn* raw = PQconnectdbParams(keywords, values, 1);
  if (raw == nullptr) return Error{ErrorCode::kUnavailable, reasons::kUnavailable, "out of memory"};
  std::unique_ptr<PostgresConnection> connection{new PostgresConnection(raw)};
  if (PQstatus(raw) != CONNECTION_OK) return unavailable(raw);
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  return connection;
}

Error PostgresConnection::failure(const PGresult* result) const {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return unavailable(connection_.get());
  return error_of(state, PQresultErrorMessage(result));
}

Result<void> PostgresConnection::expect(PGresult* result, ExecStatusType status) const {
  const PgResult owned{result};
  if (PQresultStatus(result) == status) return {};
  return failure(result);
}

Result<void> PostgresConnection::execute(const char* sql) {
  const PgResult result{PQexec(connection_.get(), sql)};
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
  return failure(result.get());
}

Result<const char*> PostgresConnection::prepared(const char* sql) {
  const auto known = prepared_.find(sql);
  if (known != prepared_.end()) return known->second.c_str();
  const std::string name = "s" + std::to_string(prepared_.size());
  MUSTER_TRY_VOID(expect(PQprepare(connection_.get(), name.c_str(), sql, 0, nullptr), PGRES_COMMAND_OK));
  return prepared_.emplace(sql, name).first->second.c_str();
}

Result<PgResult> PostgresConnection::query(const char* sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  MUSTER_TRY(const char* const name, prepared(sql));
  PgResult result{
      PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0)};
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return failure(result.get());
  return result;
}

Result<PgResult> PostgresConnection::query_binary(const char* sql, const std::vector<std::string>& parameters,
                                                  BytesView last) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const std::string& parameter : parameters) {
    values.push_back(parameter.c_str());
    lengths.push_back(0);
    formats.push_back(0);
  }
  // A null pointer would be NULL, not an empty bytea.
  values.push_back(last.empty() ? "" : reinterpret_cast<const char*>(last.data()));
  lengths.push_back(static_cast<int>(last.size()));
  formats.push_back(1);
  MUSTER_TRY(const char* const name, prepared(sql));
  PgResult result{PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()), values.data(),
                                 lengths.data(), formats.data(), 1)};
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return failure(result.get());
  return result;
}

// Takes the command's own result and everything after it, so that the connection is idle again.
Result<void> PostgresConnection::finish_command() {
  Result<void> outcome;
  while (PGresult* result = PQgetResult(connection_.get())) {
    auto checked = expect(result, PGRES_COMMAND_OK);
    if (!checked.ok() && outcome.ok()) outcome = std::move(checked);
    if (PQstatus(connection_.get()) != CONNECTION_OK) return unavailable(connection_.get());
  }
  return outcome;
}

Result<void> PostgresConnection::copy_in(const std::string& sql, BytesView data) {
  MUSTER_TRY_VOID(expect(PQexec(connection_.get(), sql.c_str()), PGRES_COPY_IN));
  // Pieces, so that libpq's own buffer does not grow to the size of the batch.
  constexpr std::size_t piece = 256u << 10;
  for (std::size_t at = 0; at < data.size(); at += piece) {
    const BytesView part = data.subspan(at, std::min(piece, data.size() - at));
    if (PQputCopyData(connection_.get(), reinterpret_cast<const char*>(part.data()), static_cast<int>(part.size())) !=
        1) {
      return unavailable(connection_.get());
    }
  }
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) return unavailable(connection_.get());
  return finish_command();
}

Result<void> PostgresConnection::copy_out(const std::string& sql, const std::function<void(BytesView)>& row) {
  MUSTER_TRY_VOID(expect(PQexec(connection_.get(), sql.c_str()), PGRES_COPY_OUT));
  char* data = nullptr;
  int size = 0;
  while ((size = PQgetCopyData(connection_.get(), &data, 0)) > 0) {
    row(BytesView{reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)});
    PQfreemem(data);
  }
  if (size == -2) return unavailable(connection_.get());
  return finish_command();
}

std::string_view text_of(const PGresult* result, int row, int column) {
  return {PQgetvalue(result, row, column), static_cast<std::size_t>(PQgetlength(result, row, column))};
}

std::int64_t int_of(const PGresult* result, int row, int column) {
  const std::string_view text = text_of(result, row, column);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace muster::ingest
