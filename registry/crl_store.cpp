// SPDX-License-Identifier: Apache-2.0
#include "registry/crl_store.h"

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

// An orphan's notAfter is not known, so it stays listed; there are few. An edge's certificate is revoked when the edge
// is removed: cessationOfOperation.
const db::Statement kRevoked{
    "list_revoked",
    "SELECT serial, revoked_at, revocation_reason FROM muster.certificates WHERE issuer_id = $1::uuid"
    " AND crl_shard = $2::integer AND status = 'revoked' AND not_after >= $3::timestamptz"
    " UNION ALL SELECT serial, revoked_at, revocation_reason FROM muster.certificate_intents"
    " WHERE issuer_id = $1::uuid AND $2::integer = 0 AND revoked_at IS NOT NULL"
    " UNION ALL SELECT serial, revoked_at, 5::smallint FROM muster.infrastructure_certificates"
    " WHERE issuer_id = $1::uuid AND $2::integer = 0 AND revoked_at IS NOT NULL AND not_after >= $3::timestamptz"
    " ORDER BY serial"};
const db::Statement kTakeNumber{"take_crl_number",
                                "UPDATE muster.issuers SET crl_number = greatest(crl_number + 1, $2::bigint)"
                                " WHERE id = $1::uuid RETURNING crl_number"};
const db::Statement kStore{
    "store_crl",
    "INSERT INTO muster.crls AS c (issuer_id, shard, number, this_update, next_update, crl)"
    " VALUES ($1::uuid, $2::integer, $3::bigint, $4::timestamptz, $5::timestamptz, $6::bytea)"
    " ON CONFLICT (issuer_id, shard) DO UPDATE SET number = excluded.number, this_update = excluded.this_update,"
    " next_update = excluded.next_update, crl = excluded.crl WHERE c.number < excluded.number"};
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

Result<std::vector<RevokedEntry>> list_revoked(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                               UtcTime expired_before) {
  MUSTER_TRY(const auto rows, db::run(tx, kRevoked, {issuer, shard, expired_before}));
  std::vector<RevokedEntry> entries;
  entries.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    entries.push_back({rows[i].bytes(0), rows[i].time(1), static_cast<RevocationReason>(rows[i].number(2))});
  }
  return entries;
}

Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kTakeNumber, {issuer, now.time_since_epoch().count()}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return static_cast<std::uint64_t>(rows[0].number(0));
}

Result<void> store_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard, const StoredCrl& crl) {
  MUSTER_TRY_VOID(db::run(tx, kStore, {issuer, shard, crl.number, crl.this_update, crl.next_update, crl.crl}));
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
