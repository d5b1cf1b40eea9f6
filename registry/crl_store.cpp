// SPDX-License-Identifier: Apache-2.0
#include "registry/crl_store.h"

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr std::size_t kRowsAtOnce = 20'000;  // bounds the memory of reading a large shard

// An orphan's notAfter is not known, so it stays listed; there are few.
const db::Statement kRevoked{
    "list_revoked",
    "SELECT serial, revoked_at, reason FROM muster.revocations WHERE issuer_id = $1::uuid"
    " AND crl_shard = $2::integer AND serial > $3::bytea"
    " AND (not_after IS NULL OR not_after >= $4::timestamptz) ORDER BY serial LIMIT $5::bigint"};
const db::Statement kForget{"forget_revocations", "DELETE FROM muster.revocations WHERE not_after < $1::timestamptz"};
const db::Statement kShards{"crl_shards", "SELECT crl_shards FROM muster.issuers WHERE id = $1::uuid"};
// One builder of a shard at a time, over all processes.
const db::Statement kLock{"lock_crl", "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, $2::bigint))"};
const db::Statement kOrigin{
    "crl_origin", "SELECT pg_current_snapshot()::text, d.system_identifier FROM muster.database_identity() d"};
// The order is there for its index: the planner, who cannot know how few are new, would read the whole table. In a
// database restored elsewhere from a dump the transaction ids of the old one say nothing: all is due there.
const db::Statement kState{
    "crl_state",
    "SELECT c.number, c.this_update, c.next_update, c.built_from IS NULL"
    " OR c.built_on IS DISTINCT FROM d.system_identifier"
    " OR EXISTS (SELECT FROM (SELECT v.transaction_id FROM muster.revocations AS v WHERE v.issuer_id = c.issuer_id"
    "  AND v.crl_shard = c.shard AND v.transaction_id >= pg_snapshot_xmin(c.built_from) ORDER BY v.transaction_id DESC"
    "  OFFSET 0) AS r WHERE NOT pg_visible_in_snapshot(r.transaction_id, c.built_from))"
    " FROM muster.crls AS c, muster.database_identity() AS d WHERE c.issuer_id = $1::uuid AND c.shard = $2::integer"};
const db::Statement kTakeNumber{"take_crl_number",
                                "UPDATE muster.issuers SET crl_number = greatest(crl_number + 1, $2::bigint)"
                                " WHERE id = $1::uuid RETURNING crl_number"};
const db::Statement kStore{
    "store_crl",
    "INSERT INTO muster.crls AS c (issuer_id, shard, number, this_update, next_update, crl, built_from, built_on)"
    " VALUES ($1::uuid, $2::integer, $3::bigint, $4::timestamptz, $5::timestamptz, $6::bytea, $7::pg_snapshot,"
    " $8::bigint) ON CONFLICT (issuer_id, shard) DO UPDATE SET number = excluded.number,"
    " this_update = excluded.this_update, next_update = excluded.next_update, crl = excluded.crl,"
    " built_from = excluded.built_from, built_on = excluded.built_on WHERE c.number < excluded.number"};
const db::Statement kFind{"find_crl",
                          "SELECT number, this_update, next_update, crl FROM muster.crls"
                          " WHERE issuer_id = $1::uuid AND shard = $2::integer"};
const db::Statement kOrphans{
    "list_orphan_intents",
    "SELECT i.tenant_id, i.issuer_id, i.serial, i.device_id, i.created_at FROM muster.certificate_intents AS i"
    " WHERE i.created_at < $1::timestamptz AND i.revoked_at IS NULL AND NOT EXISTS (SELECT FROM muster.certificates AS "
    "c"
    "  WHERE c.issuer_id = i.issuer_id AND c.serial = i.serial) ORDER BY i.created_at LIMIT $2::bigint"};
const db::Statement kRevokeIntent{
    "revoke_intent",
    "UPDATE muster.certificate_intents AS i SET revoked_at = $3::timestamptz, revocation_reason = $4::smallint"
    " WHERE i.issuer_id = $1::uuid AND i.serial = $2::bytea AND i.revoked_at IS NULL"
    " AND NOT EXISTS (SELECT FROM muster.certificates AS c WHERE c.issuer_id = i.issuer_id AND c.serial = i.serial)"};
const db::Statement kPrune{"prune_intents",
                           "DELETE FROM muster.certificate_intents AS i USING muster.certificates AS c"
                           " WHERE c.issuer_id = i.issuer_id AND c.serial = i.serial AND i.revoked_at IS NULL"
                           " AND i.created_at < $1::timestamptz"};

}  // namespace

Result<void> visit_revoked(db::Transaction& tx, const CrlId& crl, UtcTime expired_before, const RevokedVisitor& visit) {
  Bytes after;
  while (true) {
    MUSTER_TRY(const auto rows, db::run(tx, kRevoked, {crl.issuer, crl.shard, after, expired_before, kRowsAtOnce}));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      MUSTER_TRY_VOID(visit(rows[i].bytes_view(0), rows[i].time(1), static_cast<RevocationReason>(rows[i].number(2))));
    }
    if (rows.size() < kRowsAtOnce) return {};
    after = rows[rows.size() - 1].bytes(0);
  }
}

Result<std::vector<RevokedEntry>> list_revoked(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                               UtcTime expired_before) {
  std::vector<RevokedEntry> entries;
  MUSTER_TRY_VOID(visit_revoked(tx, {issuer, shard}, expired_before,
                                [&](BytesView serial, UtcTime at, RevocationReason reason) -> Result<void> {
                                  entries.push_back({Bytes(serial.begin(), serial.end()), at, reason});
                                  return {};
                                }));
  return entries;
}

Result<std::size_t> forget_revocations(db::Transaction& tx, UtcTime expired_before) {
  MUSTER_TRY(const auto rows, db::run(tx, kForget, {expired_before}));
  return rows.affected();
}

Result<std::uint32_t> count_crl_shards(db::Transaction& tx, const IssuerId& issuer) {
  MUSTER_TRY(const auto rows, db::run(tx, kShards, {issuer}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return static_cast<std::uint32_t>(rows[0].number(0));
}

Result<CrlOrigin> begin_crl(db::Transaction& tx, const CrlId& crl) {
  MUSTER_TRY_VOID(db::run(tx, kLock, {crl.issuer, crl.shard}));
  MUSTER_TRY(const auto rows, db::run(tx, kOrigin));
  return CrlOrigin{rows[0].text(0), rows[0].number(1)};
}

Result<std::optional<CrlState>> look_at_crl(db::Transaction& tx, const CrlId& crl) {
  MUSTER_TRY(const auto rows, db::run(tx, kState, {crl.issuer, crl.shard}));
  if (rows.empty()) return std::optional<CrlState>{};
  return std::optional<CrlState>{
      {static_cast<std::uint64_t>(rows[0].number(0)), rows[0].time(1), rows[0].time(2), rows[0].boolean(3)}};
}

Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kTakeNumber, {issuer, now.time_since_epoch().count()}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return static_cast<std::uint64_t>(rows[0].number(0));
}

Result<void> store_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard, const StoredCrl& crl,
                       const CrlOrigin& origin) {
  MUSTER_TRY_VOID(db::run(tx, kStore,
                          {issuer, shard, crl.number, crl.this_update, crl.next_update, crl.crl, origin.snapshot,
                           origin.system_identifier}));
  return {};
}

Result<std::optional<StoredCrl>> find_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {issuer, shard}));
  if (rows.empty()) return std::optional<StoredCrl>{};
  return std::optional<StoredCrl>{
      {static_cast<std::uint64_t>(rows[0].number(0)), rows[0].time(1), rows[0].time(2), rows[0].bytes(3)}};
}

Result<std::vector<OrphanIntent>> list_orphan_intents(db::Transaction& tx, UtcTime before, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kOrphans, {before, limit}));
  std::vector<OrphanIntent> orphans;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    orphans.push_back(
        {rows[i].id<TenantId>(0), rows[i].id<IssuerId>(1), rows[i].bytes(2), rows[i].id<DeviceId>(3), rows[i].time(4)});
  }
  return orphans;
}

Result<void> revoke_intent(db::Transaction& tx, const IssuerId& issuer, BytesView serial,
                           const Revocation& revocation) {
  MUSTER_TRY(const auto rows,
             db::run(tx, kRevokeIntent, {issuer, serial, revocation.at, static_cast<int>(revocation.reason)}));
  if (rows.affected() == 0) return Error{ErrorCode::kFailedPrecondition, kCertificateIntentMissing, ""};
  return {};
}

Result<std::size_t> prune_intents(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
