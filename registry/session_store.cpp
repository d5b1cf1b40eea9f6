// SPDX-License-Identifier: Apache-2.0
#include "registry/session_store.h"

#include "db/array.h"
#include "db/statement.h"
#include "registry/name_lookup.h"

namespace muster::registry {

namespace {

constexpr EnumNames<ClaimOutcome, 4> kOutcomeNames{{{ClaimOutcome::kNew, "new"},
                                                    {ClaimOutcome::kKnown, "known"},
                                                    {ClaimOutcome::kMoved, "moved"},
                                                    {ClaimOutcome::kOlder, "older"}}};

const db::Statement kClaim{
    "claim_sessions",
    "SELECT c.tenant_id, c.device_id, c.device_name, c.outcome, c.contested, c.other_edge FROM"
    " muster.claim_sessions($1::uuid, $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[]) AS c"};
const db::Statement kRead{
    "read_edge_orders",
    "SELECT o.id, o.tenant_id, o.device_id, o.connection_id, o.command_id, c.name, c.content_type, c.payload,"
    " ceil(extract(epoch FROM c.expires_at - clock_timestamp()) * 1000)::bigint FROM muster.edge_orders AS o"
    " LEFT JOIN muster.device_commands AS c ON c.tenant_id = o.tenant_id AND c.id = o.command_id"
    " WHERE o.edge_id = $1::uuid AND o.due_at <= clock_timestamp()"
    " AND (o.command_id IS NULL OR (c.expires_at > clock_timestamp() AND c.answered_at IS NULL))"
    " ORDER BY o.place LIMIT $2::bigint"};
const db::Statement kNextDue{
    "next_edge_order",
    "SELECT ceil(extract(epoch FROM min(o.due_at) - clock_timestamp()) * 1000)::bigint FROM muster.edge_orders AS o"
    " WHERE o.edge_id = $1::uuid AND o.due_at > clock_timestamp()"};
const db::Statement kFinish{"finish_edge_orders",
                            "DELETE FROM muster.edge_orders WHERE edge_id = $1::uuid AND id = ANY ($2::uuid[])"};
const db::Statement kPrune{
    "prune_edge_orders",
    "DELETE FROM muster.edge_orders AS o WHERE o.due_at < $1::timestamptz OR (o.command_id IS NOT NULL AND NOT EXISTS"
    " (SELECT FROM muster.device_commands AS c WHERE c.tenant_id = o.tenant_id AND c.id = o.command_id"
    "  AND c.answered_at IS NULL AND c.expires_at > clock_timestamp()))"};

EdgeOrder read_order(const db::Row& row) {
  EdgeOrder order;
  order.id = row.raw_id(0);
  order.tenant_id = row.id<TenantId>(1);
  order.device_id = row.id<DeviceId>(2);
  order.connection_id = row.id<ConnectionId>(3);
  if (row.is_null(4)) return order;
  order.command_id = row.raw_id(4);
  order.command_name = row.text(5);
  order.content_type = row.text(6);
  order.payload = row.bytes(7);
  order.expires_in = std::chrono::milliseconds{row.number(8)};
  return order;
}

}  // namespace

Result<std::vector<ClaimVerdict>> claim_sessions(db::Transaction& tx, const EdgeId& edge,
                                                 std::span<const TenantId> tenants,
                                                 std::span<const SessionClaim> claims) {
  db::Array served(db::ElementType::kUuid);
  for (const TenantId& tenant : tenants) served.add(tenant);
  db::Array incarnations(db::ElementType::kUuid);
  db::Array tenant_ids(db::ElementType::kUuid);
  db::Array devices(db::ElementType::kUuid);
  db::Array connections(db::ElementType::kUuid);
  db::Array ages(db::ElementType::kInt64);
  for (const SessionClaim& claim : claims) {
    incarnations.add(claim.incarnation);
    tenant_ids.add(claim.tenant_id);
    devices.add(claim.device_id);
    connections.add(claim.connection_id);
    ages.add(static_cast<std::int64_t>(claim.age.count()));
  }
  const db::Param filter = tenants.empty() ? db::Param(nullptr) : db::Param(served);
  MUSTER_TRY(const auto rows,
             db::run(tx, kClaim, {edge, filter, incarnations, tenant_ids, devices, connections, ages}));
  std::vector<ClaimVerdict> verdicts;
  verdicts.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    verdicts.push_back({row.id<TenantId>(0), row.id<DeviceId>(1), row.text(2),
                        stored_value(kOutcomeNames, row.text_view(3)), row.boolean(4), row.id_or_nil<EdgeId>(5)});
  }
  return verdicts;
}

Result<EdgeOrders> read_edge_orders(db::Transaction& tx, const EdgeId& edge, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kRead, {edge, limit}));
  EdgeOrders found;
  for (std::size_t i = 0; i < rows.size(); ++i) found.orders.push_back(read_order(rows[i]));
  if (!found.orders.empty()) return found;
  MUSTER_TRY(const auto due, db::run(tx, kNextDue, {edge}));
  if (!due[0].is_null(0)) found.next_due = std::chrono::milliseconds{due[0].number(0)};
  return found;
}

Result<void> finish_edge_orders(db::Transaction& tx, const EdgeId& edge, std::span<const RawId> ids) {
  if (ids.empty()) return {};
  db::Array done(db::ElementType::kUuid);
  for (const RawId& id : ids) done.add(BytesView(id.octets));
  MUSTER_TRY_VOID(db::run(tx, kFinish, {edge, done}));
  return {};
}

Result<std::size_t> prune_edge_orders(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
