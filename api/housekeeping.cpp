// SPDX-License-Identifier: Apache-2.0
#include "api/housekeeping.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "core/log.h"
#include "enroll/bulk_revocation.h"
#include "enroll/log_backfill.h"
#include "enroll/superseding.h"
#include "registry/audit_store.h"
#include "registry/batch_store.h"
#include "registry/bulk_revocation_store.h"
#include "registry/change_store.h"
#include "registry/command_store.h"
#include "registry/crl_store.h"
#include "registry/edge_store.h"
#include "registry/idempotency_store.h"
#include "registry/ocsp_store.h"
#include "registry/session_store.h"
#include "registry/tenant_store.h"

namespace muster::api {
namespace {

constexpr std::chrono::seconds kTurn{1};
constexpr std::chrono::milliseconds kRevokingTime{900};  // of a turn
constexpr int kTurnsPerDeletion = 5;
constexpr int kTurnsPerPruning = 60;
// Certificates without a log entry come from before there was a log, or from an older server that still runs.
constexpr int kTurnsPerBackfill = 3600;
constexpr std::size_t kAuditBatch = 1'000;
constexpr std::size_t kDeletionBatch = 500;
constexpr std::chrono::hours kKeepChanges{7 * 24};  // an edge that was away for longer loads everything again
constexpr std::chrono::hours kKeepEdgeEvents{30 * 24};
constexpr std::chrono::hours kKeepBatches{7 * 24};
constexpr std::chrono::hours kKeepIntents{24};
constexpr std::chrono::hours kKeepCommands{7 * 24};  // past their expiry
constexpr std::chrono::hours kKeepOrders{24};
// Past notAfter. Longer than two periods of the longest validity that a CRL may have.
constexpr std::chrono::days kKeepRevocations{800};
constexpr std::chrono::days kKeepOcspResponders{30};
constexpr std::chrono::days kKeepBulkRevocations{90};

const Log& log() {
  static const Log instance{"housekeeping"};
  return instance;
}

template <typename T>
bool succeeded(const Result<T>& result, std::string_view what) {
  if (!result.ok()) log().warning("work put off", {{"work", what}, {"error", to_log_text(result.error())}});
  return result.ok();
}

}  // namespace

Housekeeping::Housekeeping(ApiContext& context)
    : context_(context), thread_([this](const std::stop_token& stop) { loop(stop); }) {}

void Housekeeping::loop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  for (int turn = 1; !stop.stop_requested(); ++turn) {
    chain_audit();
    supersede();
    if (turn % kTurnsPerDeletion == 0) {
      finish_deletions();
      drop_edge_roles();
    }
    go_on_revoking();
    if (turn % kTurnsPerPruning == 0) prune();
    if (turn % kTurnsPerBackfill == 1) backfill_log(stop);
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, kTurn, [] { return false; });
  }
}

void Housekeeping::chain_audit() {
  while (true) {
    const auto chained = db::run_in_transaction(context_.pool, db::Scope::system(), [](db::Transaction& tx) {
      return registry::chain_audit_events(tx, kAuditBatch);
    });
    if (!succeeded(chained, "chain the audit") || *chained < kAuditBatch) return;
  }
}

// Certificates whose successors have connected.
void Housekeeping::supersede() {
  while (true) {
    const auto taken = enroll::supersede_renewed(context_.authority);
    if (!succeeded(taken, "supersede renewed certificates") || *taken == 0) return;
  }
}

// Bulk revocations that outlasted their request, or a process that ended.
void Housekeeping::go_on_revoking() {
  succeeded(enroll::BulkRevocations{context_.authority}.go_on(kRevokingTime), "go on with bulk revocations");
}

void Housekeeping::backfill_log(const std::stop_token& stop) {
  for_each_tenant([&](const registry::Tenant& tenant) {
    std::size_t all = 0;
    while (!stop.stop_requested()) {
      const auto logged = enroll::backfill_log(context_.authority, tenant.id);
      if (!succeeded(logged, "log older certificates") || *logged == 0) break;
      all += *logged;
      chain_audit();  // this may take long
    }
    if (all > 0) log().info("older certificates logged", {{"tenant", tenant.id.text()}, {"count", all}});
    return !stop.stop_requested();
  });
}

void Housekeeping::for_each_tenant(const std::function<bool(const registry::Tenant&)>& visit) {
  registry::PageRequest page{registry::kMaxPageSize, ""};
  do {
    const auto tenants = db::run_in_transaction(context_.pool, db::Scope::system(),
                                                [&](db::Transaction& tx) { return registry::list_tenants(tx, page); });
    if (!succeeded(tenants, "list tenants")) return;
    for (const registry::Tenant& tenant : tenants->items) {
      if (!visit(tenant)) return;
    }
    page.cursor = tenants->next_cursor;
  } while (!page.cursor.empty());
}

void Housekeeping::finish_deletions() {
  for_each_tenant([&](const registry::Tenant& tenant) {
    if (tenant.status != registry::TenantStatus::kDeleting) return true;
    const auto finished = db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
      return registry::finish_tenant_deletion(tx, tenant.id, kDeletionBatch, context_.clock.now());
    });
    context_.authority.note_revocation();  // also after an error: COMMIT may have happened
    return succeeded(finished, "delete a tenant");
  });
}

// Of edges that were removed by a process that ended in the middle.
void Housekeeping::drop_edge_roles() {
  const auto leftover = db::run_in_transaction(context_.pool, db::Scope::system(), registry::list_leftover_edge_roles);
  if (!succeeded(leftover, "list roles of removed edges")) return;
  for (const EdgeId& edge : *leftover) {
    succeeded(db::run_in_transaction(context_.pool, db::Scope::system(),
                                     [&](db::Transaction& tx) { return registry::drop_edge_role(tx, edge); }),
              "drop the role of a removed edge");
  }
}

void Housekeeping::prune() {
  const UtcTime now = context_.clock.now();
  const auto run = [&](std::string_view what, auto&& body) {
    succeeded(db::run_in_transaction(context_.pool, db::Scope::system(), body), what);
  };
  run("prune changes", [&](db::Transaction& tx) { return registry::prune_changes(tx, now - kKeepChanges); });
  run("prune idempotency", [&](db::Transaction& tx) { return registry::prune_idempotency_records(tx, now); });
  run("prune edge events", [&](db::Transaction& tx) { return registry::prune_edge_events(tx, now - kKeepEdgeEvents); });
  run("prune batches", [&](db::Transaction& tx) { return registry::prune_batches(tx, now - kKeepBatches); });
  run("prune revocations",
      [&](db::Transaction& tx) { return registry::forget_revocations(tx, now - kKeepRevocations); });
  run("prune OCSP responders",
      [&](db::Transaction& tx) { return registry::prune_ocsp_responders(tx, now - kKeepOcspResponders); });
  run("prune bulk revocations",
      [&](db::Transaction& tx) { return registry::prune_bulk_revocations(tx, now - kKeepBulkRevocations); });
  run("prune commands", [&](db::Transaction& tx) { return registry::prune_commands(tx, now - kKeepCommands); });
  run("prune orders", [&](db::Transaction& tx) { return registry::prune_edge_orders(tx, now - kKeepOrders); });
  run("prune intents", [&](db::Transaction& tx) { return registry::prune_intents(tx, now - kKeepIntents); });
}

}  // namespace muster::api
