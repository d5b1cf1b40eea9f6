// SPDX-License-Identifier: Apache-2.0
#include "db/transaction.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "core/random.h"
#include "db/reasons.h"
#include "db/transaction_impl.h"

namespace muster::db {

namespace {

constexpr int kAttempts = 5;
const std::string kCommit = "commit";

struct Command {
  const char* name;
  const char* sql;
};

Command begin_of(const Scope& scope) {
  if (scope.isolation() == Isolation::kRepeatableRead) {
    return {"begin_repeatable_read", "BEGIN ISOLATION LEVEL REPEATABLE READ"};
  }
  if (scope.is_reading()) return {"begin_reading", "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"};
  return {"begin", "BEGIN ISOLATION LEVEL READ COMMITTED"};
}

// As SET LOCAL ROLE and SET LOCAL muster.tenant_id, which take no parameters.
constexpr Command kEnter{
    "enter_scope",
    "SELECT pg_catalog.set_config('role', $1, true), pg_catalog.set_config('muster.tenant_id', $2, true)"};

const char* role_of(const Scope& scope) {
  switch (scope.kind()) {
    case Scope::Kind::kTenant: return "muster_tenant";
    case Scope::Kind::kSystem: return "muster_system";
    case Scope::Kind::kLogin: return "none";
  }
  std::abort();
}

Result<void> queue_enter(Connection& connection, const Scope& scope) {
  const std::string role = role_of(scope);
  const std::string tenant = scope.kind() == Scope::Kind::kTenant ? scope.tenant().text() : std::string();
  const std::array<ParameterView, 2> parameters{
      {{role.c_str(), static_cast<int>(role.size()), 0}, {tenant.c_str(), static_cast<int>(tenant.size()), 0}}};
  return connection.queue_prepared(kEnter.name, kEnter.sql, parameters);
}

// They go with the first statement of the body.
Result<void> queue_begin(Connection& connection, const Scope& scope) {
  const Command begin = begin_of(scope);
  MUSTER_TRY_VOID(connection.queue_prepared(begin.name, begin.sql, {}));
  return queue_enter(connection, scope);
}

Result<void> run_body(Transaction& tx, const std::function<Result<void>(Transaction&)>& body) {
  MUSTER_TRY_VOID(body(tx));
  auto& steps = tx.impl().last_steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto step = steps[i].second;  // a copy: a step may add another one
    MUSTER_TRY_VOID(step(tx));
  }
  // `body` may have ignored a statement's error; PostgreSQL has not.
  if (tx.impl().failure) return *tx.impl().failure;
  return {};
}

// What was sent without waiting for an answer (db::send) goes with it; where that fails, PostgreSQL does not come to
// COMMIT.
Result<void> commit(Transaction& tx) {
  Connection& connection = *tx.impl().connection;
  auto result = [&]() -> Result<ResultPtr> {
    MUSTER_TRY_VOID(connection.queue_prepared(kCommit, "COMMIT", {}));
    if (!tx.impl().reads) return connection.run_queued();
    connection.send_queued();
    return ResultPtr{};
  }();
  if (!result.ok()) {
    // COMMIT was sent: if the connection broke, nobody but the database knows what became of it.
    if (connection.is_broken()) {
      return Error{ErrorCode::kOutcomeUnknown, kDatabaseOutcomeUnknown, result.error().detail};
    }
    const bool is_own = connection.last_error().statement == kCommit;
    return is_own ? std::move(result).error() : of_sent(std::move(result).error());
  }
  const bool left = !*result;  // by a transaction that changed nothing
  if (left || std::string_view(PQcmdStatus(result->get())) == "COMMIT") return {};
  return internal_error("COMMIT was answered ROLLBACK");
}

void roll_back(Connection& connection) {
  if (connection.has_queued()) (void)connection.run_queued().ok();
  if (connection.is_broken()) return;
  if (!connection.execute("ROLLBACK").ok()) connection.mark_broken();
}

Result<void> attempt(Connection& connection, const Scope& scope,
                     const std::function<Result<void>(Transaction&)>& body) {
  MUSTER_TRY_VOID(queue_begin(connection, scope));
  Transaction::Impl impl{&connection, scope, scope.is_reading(), std::nullopt, {}, {}, {}};
  Transaction tx(impl);
  auto done = run_body(tx, body);
  if (done.ok()) {
    done = commit(tx);
    if (done.ok()) return done;
  }
  roll_back(connection);
  return done;
}

// Whoever lost a deadlock must not come back before the winner has woken up, or they meet again: 5 to 68 ms, doubling.
void back_off(int attempts_left) {
  const std::uint8_t jitter = random_bytes(1)[0];
  std::this_thread::sleep_for(std::chrono::milliseconds(5 + (jitter >> 2)) * (1 << (kAttempts - attempts_left)));
}

bool is_contention(const Error& error) { return error.reason == kDatabaseContention; }

}  // namespace

const Scope& Transaction::scope() const { return impl_->scope; }

Result<void> Transaction::enter(const Scope& scope) {
  if (impl_->failure) return *impl_->failure;
  auto entered = queue_enter(*impl_->connection, scope);
  if (!entered.ok()) return impl_->doom(std::move(entered).error());
  impl_->scope = scope;
  return {};
}

void Transaction::before_commit(std::string_view key, std::function<Result<void>(Transaction&)> last) {
  const auto same = [key](const auto& step) { return step.first == key; };
  if (std::any_of(impl_->last_steps.begin(), impl_->last_steps.end(), same)) return;
  impl_->last_steps.emplace_back(key, std::move(last));
}

std::shared_ptr<void>& Transaction::attachment_slot(std::string_view key) {
  return impl_->attachments.try_emplace(std::string(key)).first->second;
}

Result<void> run_transaction(ConnectionPool& pool, const Scope& scope,
                             const std::function<Result<void>(Transaction&)>& body) {
  MUSTER_TRY(auto lease, pool.take());
  for (int left = kAttempts;; --left) {
    auto done = attempt(lease.connection(), scope, body);
    if (done.ok() || !is_contention(done.error()) || left == 1) return done;
    back_off(left);
  }
}

}  // namespace muster::db
