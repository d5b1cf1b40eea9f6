// SPDX-License-Identifier: Apache-2.0
#include "api/shared_changes.h"

#include "api/edge_json.h"
#include "db/transaction.h"
#include "registry/entity_loader.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxChanges = 10'000;  // in one answer

std::string key_of(const std::vector<TenantId>& tenants, const registry::ChangePosition& since) {
  std::string key = to_uuid_text(since.epoch) + ":" + std::to_string(since.number);
  for (const TenantId& tenant : tenants) key.append(" ").append(tenant.text());
  return key;
}

SharedChanges::Answer read(ApiContext& context, const std::vector<TenantId>& tenants,
                           const registry::ChangePosition& since) {
  auto loaded = std::make_shared<LoadedChanges>();
  loaded->as_of = context.clock.now();
  MUSTER_TRY_VOID(db::run_in_transaction(
      context.pool, db::Scope::system().repeatable_read(), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY(const auto batch, registry::read_changes(tx, since, tenants, kMaxChanges));
        MUSTER_TRY(const auto entities, registry::load_changed(tx, batch.changes));
        loaded->to = batch.to;
        loaded->count = entities.size();
        loaded->lines.clear();
        for (const auto& facts : entities) loaded->lines.append(entity_line(facts)).push_back('\n');
        return {};
      }));
  return std::shared_ptr<const LoadedChanges>(std::move(loaded));
}

}  // namespace

SharedChanges::Answer SharedChanges::load(ApiContext& context, const std::vector<TenantId>& tenants,
                                          const registry::ChangePosition& since, std::uint64_t generation) {
  const auto slot = slot_of(key_of(tenants, since), std::chrono::steady_clock::now());
  const std::lock_guard reading{slot->reading};
  const auto now = std::chrono::steady_clock::now();
  if (slot->filled && slot->generation == generation && now - slot->read_at < kShared) return slot->answer;
  // A failure is shared as well: a database that is away is not asked by everybody in turn.
  slot->answer = read(context, tenants, since);
  slot->generation = generation;
  slot->read_at = std::chrono::steady_clock::now();
  slot->filled = true;
  return slot->answer;
}

std::shared_ptr<SharedChanges::Slot> SharedChanges::slot_of(const std::string& key, Time now) {
  const std::lock_guard lock{mutex_};
  std::erase_if(slots_, [&](const auto& entry) { return entry.first != key && now - entry.second.first > kShared; });
  auto& [used_at, slot] = slots_[key];
  used_at = now;
  if (!slot) slot = std::make_shared<Slot>();
  return slot;
}

}  // namespace muster::api
