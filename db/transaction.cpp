// SPDX-License-Identifier: Apache-2.0
#include "db/transaction.h"

#include <algorithm>
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

// Roles and isolation are constants, the tenant is hexadecimal digits and '-': SET takes no parameters.
std::string enter_sql(const Scope& scope) {
  switch (scope.kind()) {
    case Scope::Kind::kTenant:
      return "SET LOCAL ROLE muster_tenant; SET LOCAL muster.tenant_id = '" + scope.tenant().text() + "'";
    case Scope::Kind::kSystem: return "SET LOCAL ROLE muster_system; SET LOCAL muster.tenant_id = ''";
    case Scope::Kind::kLogin: return "SET LOCAL ROLE NONE; SET LOCAL muster.tenant_id = ''";
  }
  std::abort();
}

std::string begin_sql(const Scope& scope) {
  const char* isolation = scope.isolation() == Isolation::kRepeatableRead ? "REPEATABLE READ" : "READ COMMITTED";
  return std::string("BEGIN ISOLATION LEVEL ") + isolation + "; " + enter_sql(scope);
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

Result<void> commit(Connection& connection) {
  const auto result = connection.execute("COMMIT");
  if (!result.ok()) {
    // COMMIT was sent: if the connection broke, nobody but the database knows what became of it.
    if (!connection.is_broken()) return result.error();
    return Error{ErrorCode::kOutcomeUnknown, kDatabaseOutcomeUnknown, result.error().detail};
  }
  if (std::string_view(PQcmdStatus(result->get())) != "COMMIT") return internal_error("COMMIT was answered ROLLBACK");
  return {};
}

void roll_back(Connection& connection) {
  if (connection.is_broken()) return;
  if (!connection.execute("ROLLBACK").ok()) connection.mark_broken();
}

Result<void> attempt(Connection& connection, const Scope& scope,
                     const std::function<Result<void>(Transaction&)>& body) {
  auto begun = connection.execute(begin_sql(scope));
  if (!begun.ok()) {
    roll_back(connection);
    return std::move(begun).error();
  }
  Transaction::Impl impl{&connection, scope, std::nullopt, {}, {}};
  Transaction tx(impl);
  auto done = run_body(tx, body);
  if (done.ok()) {
    done = commit(connection);
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
  auto entered = impl_->connection->execute(enter_sql(scope));
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
