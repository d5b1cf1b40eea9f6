// SPDX-License-Identifier: Apache-2.0
#include "db/statement.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "db/connection.h"
#include "db/reasons.h"
#include "db/transaction_impl.h"

namespace muster::db {

namespace {

constexpr unsigned kBool = 16;
constexpr unsigned kBytea = 17;
constexpr unsigned kInt8 = 20;
constexpr unsigned kInt2 = 21;
constexpr unsigned kInt4 = 23;
constexpr unsigned kText = 25;
constexpr unsigned kVarchar = 1043;
constexpr unsigned kTimestamptz = 1184;
constexpr unsigned kUuid = 2950;
constexpr unsigned kByteaArray = 1001;
constexpr unsigned kTextArray = 1009;
constexpr unsigned kUuidArray = 2951;

[[noreturn]] void wrong_column(const char* what, int column) {
  std::fprintf(stderr, "db::Row: column %d: %s\n", column, what);
  std::abort();
}

std::int64_t read_number(BytesView bytes) {
  std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~0ULL : 0;
  for (const std::uint8_t octet : bytes) value = value << 8 | octet;
  return static_cast<std::int64_t>(value);
}

// Elements of a one-dimensional array in binary form, in order.
template <typename Take>
void for_each_element(BytesView array, int column, const Take& take) {
  if (read_number(array.subspan(0, 4)) == 0) return;
  const auto count = read_number(array.subspan(12, 4));
  std::size_t at = 20;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto length = read_number(array.subspan(at, 4));
    if (length < 0) wrong_column("NULL in an array", column);
    take(array.subspan(at + 4, static_cast<std::size_t>(length)));
    at += 4 + static_cast<std::size_t>(length);
  }
}

bool has_nul(const Param& param) {
  return !param.is_binary() && !param.is_null() && std::memchr(param.data(), 0, param.size()) != nullptr;
}

// A role has its own plan: with row security a plan made for one role is thrown away when the other runs it.
std::string prepared_name(const Transaction& tx, const Statement& statement) {
  return std::string(statement.name) + "/" + std::to_string(static_cast<int>(tx.scope().kind()));
}

}  // namespace

bool Row::is_null(int column) const { return PQgetisnull(result_, row_, column) != 0; }

BytesView Row::value(int column, std::initializer_list<unsigned> types) const {
  if (column >= PQnfields(result_)) wrong_column("no such column", column);
  const unsigned type = PQftype(result_, column);
  if (std::find(types.begin(), types.end(), type) == types.end()) wrong_column("another type", column);
  if (is_null(column)) wrong_column("is NULL", column);
  return {reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_, row_, column)),
          static_cast<std::size_t>(PQgetlength(result_, row_, column))};
}

std::string_view Row::text_view(int column) const { return as_text(value(column, {kText, kVarchar})); }
std::int64_t Row::number(int column) const { return read_number(value(column, {kInt2, kInt4, kInt8})); }
bool Row::boolean(int column) const { return value(column, {kBool})[0] != 0; }
BytesView Row::bytes_view(int column) const { return value(column, {kBytea}); }

Sha256 Row::sha256(int column) const {
  const BytesView view = bytes_view(column);
  Sha256 hash{};
  if (view.size() != hash.size()) wrong_column("not 32 octets", column);
  std::copy(view.begin(), view.end(), hash.begin());
  return hash;
}

RawId Row::raw_id(int column) const {
  RawId id;
  const BytesView view = value(column, {kUuid});
  std::copy(view.begin(), view.end(), id.octets.begin());
  return id;
}

UnixMicros Row::micros(int column) const { return from_database_micros(read_number(value(column, {kTimestamptz}))); }

UtcTime Row::time(int column) const {
  return std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{micros(column)}});
}

std::vector<std::string> Row::texts(int column) const {
  std::vector<std::string> texts;
  for_each_element(value(column, {kTextArray}), column, [&](BytesView e) { texts.emplace_back(as_text(e)); });
  return texts;
}

std::vector<Bytes> Row::byte_strings(int column) const {
  std::vector<Bytes> strings;
  for_each_element(value(column, {kByteaArray}), column,
                   [&](BytesView e) { strings.emplace_back(e.begin(), e.end()); });
  return strings;
}

std::vector<RawId> Row::raw_ids(int column) const {
  std::vector<RawId> ids;
  for_each_element(value(column, {kUuidArray}), column,
                   [&](BytesView e) { std::copy(e.begin(), e.end(), ids.emplace_back().octets.begin()); });
  return ids;
}

std::size_t Rows::size() const { return static_cast<std::size_t>(PQntuples(result_.get())); }

std::size_t Rows::affected() const {
  const char* text = PQcmdTuples(result_.get());
  return std::strtoull(text, nullptr, 10);
}

namespace {

Result<void> queue(Transaction& tx, const std::string& name, const Statement& statement,
                   std::initializer_list<Param> params, std::shared_ptr<Answer> answer) {
  Transaction::Impl& impl = tx.impl();
  if (impl.failure) return *impl.failure;
  std::vector<ParameterView> views;
  views.reserve(params.size());
  for (const Param& param : params) {
    // libpq would cut the text there.
    if (has_nul(param)) return impl.doom({ErrorCode::kInvalidArgument, kDatabaseValueRefused, "text holds a NUL"});
    views.push_back({param.is_null() ? nullptr : param.data(), static_cast<int>(param.size()), param.is_binary()});
  }
  auto queued = impl.connection->queue_prepared(name, statement.sql, views, std::move(answer));
  return queued.ok() ? queued : impl.doom(std::move(queued).error());
}

}  // namespace

Result<void> send(Transaction& tx, const Statement& statement, std::initializer_list<Param> params) {
  return queue(tx, prepared_name(tx, statement), statement, params, nullptr);
}

Asked ask(Transaction& tx, const Statement& statement, std::initializer_list<Param> params) {
  Asked asked(tx, prepared_name(tx, statement), std::make_shared<Answer>());
  (void)queue(tx, asked.name_, statement, params, asked.answer_).ok();  // else the transaction is doomed
  return asked;
}

Result<Rows> Asked::rows() const {
  Transaction::Impl& impl = tx_->impl();
  if (answer_->result) return Rows(answer_->result);
  if (impl.failure) return *impl.failure;
  auto done = impl.connection->run_queued();
  if (done.ok()) return Rows(answer_->result);
  const StatementError& said = impl.connection->last_error();
  const bool is_own = said.statement == name_;
  if (is_own) impl.violated_constraint = said.constraint;
  return impl.doom(is_own ? std::move(done).error() : of_sent(std::move(done).error()));
}

Result<Rows> run(Transaction& tx, const Statement& statement, std::initializer_list<Param> params) {
  return ask(tx, statement, params).rows();
}

namespace {

// CopyReader takes PostgreSQL's binary COPY apart: a header, then rows of a count and that many values with lengths. A
// row is never split over messages.
class CopyReader {
 public:
  explicit CopyReader(const std::function<Result<void>(CopiedRow)>& take) : take_(take) {}

  Result<void> read(BytesView message) {
    if (!begun_) {
      if (message.size() < kHeader) return broken();
      const auto extension = static_cast<std::size_t>(read_number(message.subspan(15, 4)));
      if (message.size() < kHeader + extension) return broken();
      message = message.subspan(kHeader + extension);
      begun_ = true;
    }
    while (!message.empty()) MUSTER_TRY_VOID(read_row(message));
    return {};
  }

 private:
  static constexpr std::size_t kHeader = 19;
  static Error broken() { return internal_error("binary COPY in another form"); }

  Result<void> read_row(BytesView& message) {
    if (message.size() < 2) return broken();
    const std::int64_t count = read_number(message.first(2));
    message = message.subspan(2);
    if (count < 0) return {};  // the end
    row_.clear();
    for (std::int64_t i = 0; i < count; ++i) {
      if (message.size() < 4) return broken();
      const std::int64_t length = read_number(message.first(4));
      message = message.subspan(4);
      if (length < 0) {
        row_.emplace_back();
        continue;
      }
      const auto octets = static_cast<std::size_t>(length);
      if (message.size() < octets) return broken();
      row_.emplace_back(message.first(octets));
      message = message.subspan(octets);
    }
    return take_(row_);
  }

  const std::function<Result<void>(CopiedRow)>& take_;
  std::vector<std::optional<BytesView>> row_;
  bool begun_ = false;
};

}  // namespace

Result<void> copy_rows(Transaction& tx, const char* name, const std::string& query,
                       const std::function<Result<void>(CopiedRow)>& take) {
  Transaction::Impl& impl = tx.impl();
  if (impl.failure) return *impl.failure;
  CopyReader reader(take);
  auto copied = impl.connection->copy_out("COPY (" + query + ") TO STDOUT (FORMAT binary)",
                                          [&](BytesView message) { return reader.read(message); });
  if (copied.ok()) return {};
  Error error = std::move(copied).error();
  error.detail = std::string(name) + ": " + error.detail;
  return impl.doom(std::move(error));
}

std::string_view violated_constraint(Transaction& tx) { return tx.impl().violated_constraint; }

Result<std::string> scram_verifier(Transaction& tx, const std::string& role, const std::string& password) {
  char* verifier = PQencryptPasswordConn(tx.impl().connection->raw(), password.c_str(), role.c_str(), "scram-sha-256");
  if (verifier == nullptr) return internal_error("PQencryptPasswordConn failed");
  std::string text = verifier;
  PQfreemem(verifier);
  return text;
}

}  // namespace muster::db
