// SPDX-License-Identifier: Apache-2.0
#include "api/shared_snapshots.h"

#include <utility>

#include "api/edge_json.h"
#include "core/no_throw.h"
#include "db/transaction.h"

namespace muster::api {
namespace {

constexpr std::size_t kSpoolChunk = 256u << 10;

// The state goes to a file first: no transaction stays open at the pace of a slow edge.
SharedSnapshots::Answer spool_state(const ApiContext& context, const std::vector<TenantId>& tenants) {
  auto state = std::make_shared<StateLines>();
  state->as_of = context.clock.now();
  std::string pending;
  StateDigest digest;
  std::uint64_t count = 0;
  const auto begin = [&]() -> Result<void> {
    MUSTER_TRY(state->spool, http::Body::in_file());
    pending.clear();
    digest = StateDigest{};
    count = 0;
    return {};
  };
  MUSTER_TRY(state->position,
             walk_state(context, tenants, begin, [&](const registry::EntityFacts& facts) -> Result<void> {
               digest.add(facts);
               ++count;
               pending.append(entity_line(facts)).push_back('\n');
               if (pending.size() < kSpoolChunk) return {};
               return state->spool.append(std::exchange(pending, {}));
             }));
  pending.append(stream_end(count, digest.hex())).push_back('\n');
  MUSTER_TRY_VOID(state->spool.append(pending));
  MUSTER_TRY(state->lines, state->spool.view());
  return std::shared_ptr<const StateLines>(std::move(state));
}

}  // namespace

Result<registry::ChangePosition> walk_state(
    const ApiContext& context, const std::vector<TenantId>& tenants, const std::function<Result<void>()>& begin,
    const std::function<Result<void>(const registry::EntityFacts&)>& on_entity) {
  using Position = registry::ChangePosition;
  return db::run_in_transaction(
      context.pool, db::Scope::system().repeatable_read(), [&](db::Transaction& tx) -> Result<Position> {
        MUSTER_TRY_VOID(begin());
        MUSTER_TRY(const Position position, registry::current_position(tx));
        MUSTER_TRY_VOID(registry::for_each_entity(tx, tenants, context.clock.now(), on_entity));
        return position;
      });
}

SharedSnapshots::SharedSnapshots(MetricsRegistry& metrics)
    : walks_(metrics.counter("muster_api_snapshot_walks_total", "Walks through the whole state for edges' snapshots")),
      waiting_(metrics.gauge("muster_api_snapshot_requests_waiting", "Edges whose snapshot is not read yet")) {}

SharedSnapshots::Answer SharedSnapshots::take(const ApiContext& context, const std::vector<TenantId>& tenants) {
  std::unique_lock lock{mutex_};
  Slot& slot = slots_[tenants];
  const std::uint64_t wanted = slot.begun + 1;
  ++slot.waiting;
  waiting_.set(static_cast<double>(++requests_));
  while (slot.ended < wanted) {
    if (slot.walking) {
      ended_.wait(lock);
    } else {
      walk(context, tenants, slot, lock);
    }
  }
  Answer answer = slot.answer;
  waiting_.set(static_cast<double>(--requests_));
  if (--slot.waiting == 0) slots_.erase(tenants);
  return answer;
}

// Without the lock.
void SharedSnapshots::walk(const ApiContext& context, const std::vector<TenantId>& tenants, Slot& slot,
                           std::unique_lock<std::mutex>& lock) {
  slot.walking = true;
  ++slot.begun;
  walks_.add();
  lock.unlock();
  auto answer = no_throw([&] { return spool_state(context, tenants); });
  lock.lock();
  slot.answer = std::move(answer);
  slot.ended = slot.begun;
  slot.walking = false;
  ended_.notify_all();
}

}  // namespace muster::api
