// SPDX-License-Identifier: Apache-2.0
#include "registry/change_store.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>

#include "db/statement.h"
#include "registry/reasons.h"
#include "registry/tombstones.h"

namespace muster::registry {

namespace {

constexpr std::string_view kAttachment = "registry.changes";

// The number is taken and used by one statement, the transaction's last but for tombstones.
const db::Statement kNumberChanges{
    "number_changes",
    "WITH base AS MATERIALIZED (SELECT muster.take_change_numbers($1::integer) AS number),"
    " stored AS (INSERT INTO muster.changes (number, entity_kind, entity_id, tenant_id)"
    "  SELECT b.number + u.position, u.kind, u.entity_id, u.tenant_id FROM base AS b,"
    "   unnest($2::integer[], $3::bytea[], $4::uuid[]) WITH ORDINALITY AS u (kind, entity_id, tenant_id, position))"
    " SELECT b.number + $1::integer FROM base AS b"};
const db::Statement kMarkDevicesGone{
    "mark_devices_gone",
    "UPDATE muster.devices SET gone_number = $3::bigint WHERE tenant_id = $1::uuid AND id = ANY ($2::uuid[])"};
const db::Statement kMarkTenantGone{"mark_tenant_gone",
                                    "UPDATE muster.tenants SET gone_number = $2::bigint WHERE id = $1::uuid"};
const db::Statement kPosition{"change_position", "SELECT epoch, number, pruned_number FROM muster.change_counter"};
const db::Statement kReadChanges{
    "read_changes",
    "SELECT number, entity_kind, tenant_id, entity_id FROM muster.changes"
    " WHERE number > $1::bigint AND number <= $2::bigint AND ($3::uuid[] IS NULL OR tenant_id = ANY ($3::uuid[]))"
    " ORDER BY number LIMIT $4::bigint"};
const db::Statement kPrune{"prune_changes",
                           "WITH gone AS (DELETE FROM muster.changes WHERE number <= (SELECT max(c.number)"
                           "  FROM muster.changes AS c WHERE c.committed_at < $1::timestamptz) RETURNING number),"
                           " marked AS (UPDATE muster.change_counter SET pruned_number = greatest(pruned_number,"
                           "  (SELECT max(number) FROM gone)) WHERE EXISTS (SELECT FROM gone))"
                           " SELECT count(*) FROM gone"};
const db::Statement kRenewEpoch{
    "renew_epoch",
    "UPDATE muster.change_counter AS c SET epoch = gen_random_uuid(), system_identifier = d.system_identifier,"
    " timeline = d.timeline FROM muster.database_identity() AS d"
    " WHERE c.system_identifier <> d.system_identifier OR c.timeline <> d.timeline"};
const db::Statement kStartEpoch{"start_epoch", "UPDATE muster.change_counter SET epoch = gen_random_uuid()"};

struct PendingChanges {
  db::Array kinds{db::ElementType::kInt32};
  db::Array entities{db::ElementType::kBytes};
  db::Array tenants{db::ElementType::kUuid};
  std::unordered_set<std::string> seen;
  std::map<TenantId, db::Array> gone_devices;
  std::vector<TenantId> gone_tenants;
};

Result<void> mark_tombstones(db::Transaction& tx, const PendingChanges& pending, std::int64_t number) {
  for (const auto& [tenant, devices] : pending.gone_devices) {
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY_VOID(db::run(tx, kMarkDevicesGone, {tenant, devices, number}));
  }
  for (const TenantId& tenant : pending.gone_tenants) {
    MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
    MUSTER_TRY_VOID(db::run(tx, kMarkTenantGone, {tenant, number}));
  }
  return {};
}

Result<void> number_changes(db::Transaction& tx) {
  const auto& pending = tx.attachment<PendingChanges>(kAttachment);
  if (pending.kinds.size() == 0) return {};
  const std::initializer_list<db::Param> changes = {pending.kinds.size(), pending.kinds, pending.entities,
                                                    pending.tenants};
  // The counter's lock is held until COMMIT, which goes with this statement where nothing follows it.
  if (pending.gone_devices.empty() && pending.gone_tenants.empty()) return db::send(tx, kNumberChanges, changes);
  MUSTER_TRY(const auto rows, db::run(tx, kNumberChanges, changes));
  return mark_tombstones(tx, pending, rows[0].number(0));
}

Error reload_required(const char* why) { return {ErrorCode::kFailedPrecondition, kChangesReloadRequired, why}; }

}  // namespace

void announce(db::Transaction& tx, EntityKind kind, const TenantId& tenant, BytesView entity_id) {
  auto& pending = tx.attachment<PendingChanges>(kAttachment);
  std::string key(1, static_cast<char>(kind));
  key += as_text(entity_id);
  if (!pending.seen.insert(std::move(key)).second) return;
  pending.kinds.add(static_cast<std::int64_t>(kind));
  pending.entities.add(entity_id);
  pending.tenants.add(tenant);
  tx.before_commit(kAttachment, number_changes);
}

void note_device_tombstone(db::Transaction& tx, const TenantId& tenant, const DeviceId& device) {
  auto& devices = tx.attachment<PendingChanges>(kAttachment).gone_devices;
  devices.try_emplace(tenant, db::ElementType::kUuid).first->second.add(device);
}

void note_tenant_tombstone(db::Transaction& tx, const TenantId& tenant) {
  tx.attachment<PendingChanges>(kAttachment).gone_tenants.push_back(tenant);
}

Result<ChangePosition> current_position(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kPosition));
  return ChangePosition{rows[0].raw_id(0), static_cast<std::uint64_t>(rows[0].number(1))};
}

Result<ChangeBatch> read_changes(db::Transaction& tx, const ChangePosition& since, std::span<const TenantId> tenants,
                                 std::size_t limit) {
  // First the newest number, then the rows: whoever took that number has committed, and so has everybody before.
  MUSTER_TRY(const auto position, db::run(tx, kPosition));
  const auto newest = static_cast<std::uint64_t>(position[0].number(1));
  if (position[0].raw_id(0) != since.epoch) return reload_required("another epoch");
  if (since.number > newest) return reload_required("position is ahead of the newest change");
  if (since.number < static_cast<std::uint64_t>(position[0].number(2))) return reload_required("changes were pruned");
  db::Array wanted(db::ElementType::kUuid);
  for (const TenantId& tenant : tenants) wanted.add(tenant);
  const db::Param filter = tenants.empty() ? db::Param(nullptr) : db::Param(wanted);
  MUSTER_TRY(const auto rows, db::run(tx, kReadChanges, {since.number, newest, filter, limit}));
  ChangeBatch batch{since, {since.epoch, newest}, {}};
  batch.changes.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    batch.changes.push_back({static_cast<std::uint64_t>(rows[i].number(0)), static_cast<EntityKind>(rows[i].number(1)),
                             rows[i].id<TenantId>(2), rows[i].bytes(3)});
  }
  if (batch.changes.size() == limit) batch.to.number = batch.changes.back().number;
  return batch;
}

Result<std::size_t> prune_changes(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return static_cast<std::size_t>(rows[0].number(0));
}

Result<bool> renew_epoch_after_restore(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kRenewEpoch));
  return rows.affected() > 0;
}

Result<void> start_new_epoch(db::Transaction& tx) {
  MUSTER_TRY_VOID(db::run(tx, kStartEpoch));
  return {};
}

}  // namespace muster::registry
