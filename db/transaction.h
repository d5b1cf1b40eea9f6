// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the only way to the registry's tables. Every transaction names its scope: one tenant (PostgreSQL role
// muster_tenant with a transaction-local tenant; row security shows nothing else) or the system (muster_system, narrow
// policies). What libpq reports becomes an Error here and nowhere else.
//
//   auto device = db::run_in_transaction(pool, db::Scope::of_tenant(id), [&](db::Transaction& tx) {
//     return registry::create_device(tx, id, device);
//   });
//
// Statements are run by the *_store.cpp files (db/statement.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/id.h"
#include "core/result.h"
#include "db/connection_pool.h"

namespace muster::db {

enum class Isolation : std::uint8_t { kReadCommitted, kRepeatableRead };

class Scope {
 public:
  enum class Kind : std::uint8_t {
    kTenant,
    kSystem,
    kLogin,  // the login's own role, no SET ROLE: migrator, log reader
  };
  static Scope of_tenant(TenantId tenant) { return Scope{Kind::kTenant, tenant}; }
  static Scope system() { return Scope{Kind::kSystem, TenantId{}}; }
  static Scope login() { return Scope{Kind::kLogin, TenantId{}}; }
  // One snapshot for all statements, for example to load an edge snapshot.
  Scope repeatable_read() const {
    Scope scope = *this;
    scope.isolation_ = Isolation::kRepeatableRead;
    return scope;
  }
  // READ ONLY. Nobody waits for its end, which saves a round trip: for what each request looks up.
  Scope reading() const {
    Scope scope = *this;
    scope.reading_ = true;
    return scope;
  }
  bool is_reading() const { return reading_; }
  Kind kind() const { return kind_; }
  const TenantId& tenant() const { return tenant_; }
  Isolation isolation() const { return isolation_; }

 private:
  Scope(Kind kind, TenantId tenant) : kind_(kind), tenant_(tenant) {}
  Kind kind_;
  TenantId tenant_;
  Isolation isolation_ = Isolation::kReadCommitted;
  bool reading_ = false;
};

// Transaction is one open transaction. Confined to the thread that runs it; lives only during the function that was
// handed to run_in_transaction.
class Transaction {
 public:
  struct Impl;
  explicit Transaction(Impl& impl) : impl_(&impl) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  const Scope& scope() const;
  // Changes role (and tenant) for the statements that follow, for example to create a tenant (system) and its issuer
  // (that tenant) in one transaction. Isolation and reading stay what they were.
  Result<void> enter(const Scope& scope);

  // before_commit runs `last` once, after everything else and before COMMIT, whatever the scope is then. A second call
  // with the same `key` is ignored. The change counter's lock is taken here, so that it is held shortest.
  void before_commit(std::string_view key, std::function<Result<void>(Transaction&)> last);

  // attachment returns the value of type T that belongs to this transaction, made on first use: where a store collects
  // what before_commit will write. It is gone when the transaction is, also when it is retried.
  template <typename T>
  T& attachment(std::string_view key) {
    std::shared_ptr<void>& slot = attachment_slot(key);
    if (!slot) slot = std::make_shared<T>();
    return *static_cast<T*>(slot.get());
  }

  Impl& impl() { return *impl_; }  // for db/statement.h

 private:
  std::shared_ptr<void>& attachment_slot(std::string_view key);
  Impl* impl_;
};

// run_transaction is the untyped form of run_in_transaction.
Result<void> run_transaction(ConnectionPool& pool, const Scope& scope,
                             const std::function<Result<void>(Transaction&)>& body);

// run_in_transaction runs `body` (Transaction& → Result<T>) between BEGIN and COMMIT, with synchronous_commit on.
// An Error from `body` rolls back and is returned. After a serialization failure or a deadlock the whole is run again,
// at most 5 times: `body` must have no other effects than those of its transaction.
// A failed statement dooms the transaction even when `body` ignores it: nothing of it is committed.
//
// Reasons besides those of `body`: database.unavailable, database.busy, database.timeout, database.contention,
// database.conflict (unique or foreign key), database.value_refused (CHECK, row security), database.failed, and
// database.outcome_unknown: COMMIT was sent and its answer lost; it may have happened, and is never retried here.
template <typename Body>
auto run_in_transaction(ConnectionPool& pool, const Scope& scope, Body&& body)
    -> std::invoke_result_t<Body&, Transaction&> {
  using R = std::invoke_result_t<Body&, Transaction&>;
  if constexpr (std::is_same_v<R, Result<void>>) {
    return run_transaction(pool, scope, [&](Transaction& tx) -> Result<void> { return body(tx); });
  } else {
    std::optional<R> answer;
    auto outcome = run_transaction(pool, scope, [&](Transaction& tx) -> Result<void> {
      answer.emplace(body(tx));
      if (!answer->ok()) return answer->error();
      return {};
    });
    if (!outcome.ok()) return std::move(outcome).error();
    return std::move(*answer);
  }
}

}  // namespace muster::db
