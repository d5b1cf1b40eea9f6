// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how *_store.cpp files run SQL: named constant statements, values always as $n, results read by type. Only
// for
// *_store.cpp and db/.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "db/array.h"
#include "db/transaction.h"

struct pg_result;

namespace muster::db {

// Statement is a constant beside the store that runs it. It is prepared once per connection and role. `name` is unique
// in the program.
struct Statement {
  const char* name;
  std::string sql;
};

// Param is one value. It views text, bytes, ids and arrays, which must outlive the call of run().
class Param {
 public:
  Param(std::nullptr_t) {}                                                    // NOLINT(google-explicit-constructor)
  Param(std::string_view text) : data_(text.data()), length_(text.size()) {}  // NOLINT(google-explicit-constructor)
  Param(const std::string& text) : Param(std::string_view(text)) {}           // NOLINT(google-explicit-constructor)
  Param(const char* text) : Param(std::string_view(text)) {}                  // NOLINT(google-explicit-constructor)
  Param(BytesView bytes) : binary_(true), data_(as_text(bytes).data()), length_(bytes.size()) {  // NOLINT
    if (data_ == nullptr) data_ = "";
  }
  Param(const Bytes& bytes) : Param(BytesView(bytes)) {}   // NOLINT(google-explicit-constructor)
  Param(const Sha256& hash) : Param(BytesView(hash)) {}    // NOLINT(google-explicit-constructor)
  Param(const Array& array) : Param(array.encoded()) {}    // NOLINT(google-explicit-constructor)
  Param(const RawId& id) : Param(BytesView(id.octets)) {}  // NOLINT(google-explicit-constructor)
  template <typename Tag>
  Param(const Id<Tag>& id) : Param(id.octets()) {}  // NOLINT(google-explicit-constructor)
  template <std::integral T>
  Param(T number) : owned_(std::to_string(number)) {}  // NOLINT(google-explicit-constructor)
  Param(bool flag) : owned_(flag ? "t" : "f") {}       // NOLINT(google-explicit-constructor)
  Param(UtcTime time) : owned_(to_rfc3339(time)) {}    // NOLINT(google-explicit-constructor)
  template <typename T>
  Param(const std::optional<T>& value) : Param(value ? Param(*value) : Param(nullptr)) {}  // NOLINT
  // With microseconds.
  static Param micros(UnixMicros at) {
    Param param(nullptr);
    param.owned_ = to_rfc3339_micros(at);
    return param;
  }
  // A nil id is NULL.
  template <typename Tag>
  static Param nullable(const Id<Tag>& id) {
    return id.is_nil() ? Param(nullptr) : Param(id);
  }

  bool is_binary() const { return binary_; }
  const char* data() const { return owned_.empty() ? data_ : owned_.c_str(); }
  std::size_t size() const { return owned_.empty() ? length_ : owned_.size(); }
  bool is_null() const { return owned_.empty() && data_ == nullptr; }

 private:
  bool binary_ = false;
  const char* data_ = nullptr;
  std::size_t length_ = 0;
  std::string owned_;
};

// Row reads one row of a result, columns counted from 0. Asking for another type than the column's, or for a value that
// is NULL, aborts: the statement and its reader stand in one file. Lives no longer than its Rows.
class Row {
 public:
  Row(const pg_result* result, int row) : result_(result), row_(row) {}
  bool is_null(int column) const;
  std::string_view text_view(int column) const;  // text, varchar
  std::string text(int column) const { return std::string(text_view(column)); }
  std::int64_t number(int column) const;  // smallint, integer, bigint
  bool boolean(int column) const;
  BytesView bytes_view(int column) const;  // bytea
  Bytes bytes(int column) const {
    const BytesView view = bytes_view(column);
    return {view.begin(), view.end()};
  }
  Sha256 sha256(int column) const;  // bytea of 32 octets
  RawId raw_id(int column) const;   // uuid
  template <typename IdType>
  IdType id(int column) const {
    return IdType{raw_id(column)};
  }
  template <typename IdType>
  IdType id_or_nil(int column) const {
    return is_null(column) ? IdType{} : id<IdType>(column);
  }
  std::string text_or_empty(int column) const { return is_null(column) ? std::string() : text(column); }
  UnixMicros micros(int column) const;  // timestamptz
  UtcTime time(int column) const;       // timestamptz, fractions cut
  std::optional<UtcTime> time_if_any(int column) const {
    return is_null(column) ? std::nullopt : std::optional(time(column));
  }
  std::vector<std::string> texts(int column) const;   // text[] without NULLs
  std::vector<Bytes> byte_strings(int column) const;  // bytea[] without NULLs
  std::vector<RawId> raw_ids(int column) const;       // uuid[] without NULLs

 private:
  BytesView value(int column, std::initializer_list<unsigned> types) const;
  const pg_result* result_;
  int row_;
};

class Rows {
 public:
  explicit Rows(std::shared_ptr<pg_result> result) : result_(std::move(result)) {}
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  Row operator[](std::size_t index) const { return {result_.get(), static_cast<int>(index)}; }
  std::size_t affected() const;  // rows that INSERT, UPDATE, DELETE changed

 private:
  std::shared_ptr<pg_result> result_;
};

struct Answer;

// Asked is a statement whose rows are wanted later (db/later.h). Not to be used when the transaction has ended.
class Asked {
 public:
  // Reasons: those of run_in_transaction. After an error the transaction cannot be used any more and will not be
  // committed.
  Result<Rows> rows() const;

 private:
  friend Asked ask(Transaction& tx, const Statement& statement, std::initializer_list<Param> params);
  Asked(Transaction& tx, std::string name, std::shared_ptr<Answer> answer)
      : tx_(&tx), name_(std::move(name)), answer_(std::move(answer)) {}
  Transaction* tx_;
  std::string name_;
  std::shared_ptr<Answer> answer_;
};

// ask puts a statement on its way. An error of this side shows with the rows.
Asked ask(Transaction& tx, const Statement& statement, std::initializer_list<Param> params = {});

// run asks and waits for the rows.
Result<Rows> run(Transaction& tx, const Statement& statement, std::initializer_list<Param> params = {});

// send puts a statement on its way whose answer nobody needs: it goes with the next rows that are looked at, at the
// latest with COMMIT. If it fails, so does that. For statements that nothing but a fault can fail.
Result<void> send(Transaction& tx, const Statement& statement, std::initializer_list<Param> params = {});

// copy_rows hands over the rows of a query by binary COPY: for a million of them, while the database still reads.
// `query` is built of constants and of numbers, ids and times (COPY takes no parameters). `take` gets the values of one
// row in COPY's binary form (timestamptz: microseconds since 2000 as int64), NULL as an empty optional. Reasons: as
// run().
using CopiedRow = std::span<const std::optional<BytesView>>;
Result<void> copy_rows(Transaction& tx, const char* name, const std::string& query,
                       const std::function<Result<void>(CopiedRow)>& take);

// The constraint that the last failed statement violated, or "". For stores whose answer depends on which it was.
std::string_view violated_constraint(Transaction& tx);

// The SCRAM-SHA-256 verifier of a role's password, so that the password itself never reaches the server's log.
Result<std::string> scram_verifier(Transaction& tx, const std::string& role, const std::string& password);

}  // namespace muster::db
