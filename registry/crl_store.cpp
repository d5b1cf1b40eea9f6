// SPDX-License-Identifier: Apache-2.0
#include "registry/crl_store.h"

#include <algorithm>
#include <optional>

#include "core/time.h"
#include "db/array.h"
#include "db/reasons.h"
#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr std::size_t kPartSize = 8U << 20;  // bounds what one statement carries

// An orphan's notAfter is not known, so it stays listed; there are few.
std::string revoked_query(const CrlId& crl, const CrlOrigin& origin, UtcTime expired_before) {
  return "SELECT v.serial, v.revoked_at, v.reason FROM muster.revocations AS v WHERE v.issuer_id = '" +
         crl.issuer.text() + "' AND v.crl_shard = " + std::to_string(crl.shard) +
         " AND pg_visible_in_snapshot(v.transaction_id, '" + origin.snapshot +
         "') AND (v.not_after IS NULL OR v.not_after >= '" + to_rfc3339(expired_before) + "')";
}
const db::Statement kNews{
    "list_crl_news",
    "SELECT v.serial, v.revoked_at, v.reason FROM muster.crls AS c CROSS JOIN LATERAL"
    " (SELECT r.* FROM muster.revocations AS r WHERE r.issuer_id = c.issuer_id AND r.crl_shard = c.shard"
    "  AND r.transaction_id >= pg_snapshot_xmin(c.built_from) ORDER BY r.transaction_id DESC OFFSET 0) AS v"
    " WHERE c.issuer_id = $1::uuid AND c.shard = $2::integer"
    " AND NOT pg_visible_in_snapshot(v.transaction_id, c.built_from)"
    " AND pg_visible_in_snapshot(v.transaction_id, $3::text::pg_snapshot) LIMIT $4::bigint"};
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
    ", c.parts > 0, c.built_on IS NOT DISTINCT FROM d.system_identifier"
    " FROM muster.crls AS c, muster.database_identity() AS d WHERE c.issuer_id = $1::uuid AND c.shard = $2::integer"};
const db::Statement kTakeNumber{"take_crl_number",
                                "UPDATE muster.issuers SET crl_number = greatest(crl_number + 1, $2::bigint)"
                                " WHERE id = $1::uuid RETURNING crl_number"};
const db::Statement kStore{
    "store_crl",
    "INSERT INTO muster.crls AS c (issuer_id, shard, number, this_update, next_update, crl, built_from, built_on, base,"
    " base_at, parts, entries, entries_at)"
    " VALUES ($1::uuid, $2::integer, $3::bigint, $4::timestamptz, $5::timestamptz, $6::bytea, $7::text::pg_snapshot,"
    " $8::bigint, nullif($9::bigint, 0), $10::timestamptz, $11::integer, $12::bigint, $13::integer)"
    " ON CONFLICT (issuer_id, shard) DO UPDATE SET number = excluded.number,"
    " this_update = excluded.this_update, next_update = excluded.next_update, crl = excluded.crl,"
    " built_from = excluded.built_from, built_on = excluded.built_on, base = excluded.base,"
    " base_at = excluded.base_at, parts = excluded.parts, entries = excluded.entries,"
    " entries_at = excluded.entries_at WHERE c.number < excluded.number"};
const db::Statement kStorePart{"store_crl_part",
                               "INSERT INTO muster.crl_parts (issuer_id, shard, base, part, entries)"
                               " VALUES ($1::uuid, $2::integer, $3::bigint, $4::integer, $5::bytea)"};
// The base before is kept, for those who read it in this moment.
const db::Statement kDropParts{
    "drop_crl_parts",
    "DELETE FROM muster.crl_parts AS p WHERE p.issuer_id = $1::uuid AND p.shard = $2::integer AND p.base <"
    " (SELECT max(b.base) FROM muster.crl_parts AS b WHERE b.issuer_id = $1::uuid AND b.shard = $2::integer"
    "  AND b.base < $3::bigint)"};
const db::Statement kFind{
    "find_crl",
    "SELECT number, this_update, next_update, crl, coalesce(base, 0), base_at, parts, entries,"
    " entries_at, (SELECT coalesce(sum(octet_length(p.entries)), 0)::bigint FROM muster.crl_parts AS p"
    "  WHERE p.issuer_id = c.issuer_id AND p.shard = c.shard AND p.base = c.base)"
    " FROM muster.crls AS c WHERE issuer_id = $1::uuid AND shard = $2::integer"};
const db::Statement kFindPart{"find_crl_part",
                              "SELECT p.entries FROM muster.crl_parts AS p WHERE p.issuer_id = $1::uuid"
                              " AND p.shard = $2::integer AND p.base = $3::bigint AND p.part = $4::integer"};
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

std::int64_t number_of(BytesView big_endian) {
  std::uint64_t value = (big_endian[0] & 0x80) != 0 ? ~0ULL : 0;
  for (const std::uint8_t octet : big_endian) value = value << 8 | octet;
  return static_cast<std::int64_t>(value);
}

}  // namespace

Result<void> visit_revoked(db::Transaction& tx, const CrlId& crl, const CrlOrigin& origin, UtcTime expired_before,
                           const RevokedVisitor& visit) {
  return db::copy_rows(tx, "visit_revoked", revoked_query(crl, origin, expired_before), [&](db::CopiedRow row) {
    const auto at = db::from_database_micros(number_of(*row[1]));
    const UtcTime revoked_at = std::chrono::floor<std::chrono::seconds>(
        std::chrono::sys_time<std::chrono::microseconds>{std::chrono::microseconds{at}});
    return visit(*row[0], revoked_at, static_cast<RevocationReason>(number_of(*row[2])));
  });
}

Result<std::vector<RevokedEntry>> list_news(db::Transaction& tx, const CrlId& crl, const CrlOrigin& origin,
                                            std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kNews, {crl.issuer, crl.shard, origin.snapshot, limit}));
  std::vector<RevokedEntry> entries;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    entries.push_back({rows[i].bytes(0), rows[i].time(1), static_cast<RevocationReason>(rows[i].number(2))});
  }
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
  return std::optional<CrlState>{{static_cast<std::uint64_t>(rows[0].number(0)), rows[0].time(1), rows[0].time(2),
                                  rows[0].boolean(3), rows[0].boolean(4), rows[0].boolean(5)}};
}

Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kTakeNumber, {issuer, now.time_since_epoch().count()}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return static_cast<std::uint64_t>(rows[0].number(0));
}

namespace {

// Stores the octets from `at` on as parts and returns how many.
Result<std::uint32_t> store_parts(db::Transaction& tx, const CrlId& id, const StoredCrl& crl, const KeptParts& kept) {
  BytesView fresh = BytesView{crl.crl}.subspan(crl.layout.entries_at + kept.size, crl.layout.entries_size - kept.size);
  std::uint32_t part = kept.parts;
  for (; !fresh.empty(); ++part) {
    const BytesView octets = fresh.first(std::min(kPartSize, fresh.size()));
    MUSTER_TRY_VOID(db::run(tx, kStorePart, {id.issuer, id.shard, crl.layout.base, part, octets}));
    fresh = fresh.subspan(octets.size());
  }
  return part;
}

}  // namespace

Result<void> store_crl(db::Transaction& tx, const CrlId& id, StoredCrl& crl, const CrlOrigin& origin,
                       const KeptParts& kept) {
  CrlLayout& layout = crl.layout;
  const BytesView whole{crl.crl};
  Bytes around;
  std::optional<UtcTime> base_at;
  if (layout.base != 0) {
    MUSTER_TRY(layout.parts, store_parts(tx, id, crl, kept));
    const BytesView before = whole.first(layout.entries_at);
    const BytesView behind = whole.subspan(layout.entries_at + layout.entries_size);
    around.assign(before.begin(), before.end());
    around.insert(around.end(), behind.begin(), behind.end());
    base_at = layout.base_at;
  }
  MUSTER_TRY_VOID(db::run(tx, kStore,
                          {id.issuer, id.shard, crl.number, crl.this_update, crl.next_update,
                           layout.base != 0 ? BytesView{around} : whole, origin.snapshot, origin.system_identifier,
                           layout.base, base_at, layout.parts, layout.entries, layout.entries_at}));
  if (layout.base != 0 && kept.parts == 0) MUSTER_TRY_VOID(db::run(tx, kDropParts, {id.issuer, id.shard, layout.base}));
  return {};
}

Result<std::optional<StoredCrl>> find_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {issuer, shard}));
  if (rows.empty()) return std::optional<StoredCrl>{};
  const db::Row row = rows[0];
  StoredCrl crl{static_cast<std::uint64_t>(row.number(0)), row.time(1), row.time(2), {}, {}};
  const BytesView around = row.bytes_view(3);
  CrlLayout& layout = crl.layout;
  layout.base = static_cast<std::uint64_t>(row.number(4));
  layout.base_at = row.time_if_any(5).value_or(UtcTime{});
  layout.parts = static_cast<std::uint32_t>(row.number(6));
  layout.entries = static_cast<std::uint64_t>(row.number(7));
  layout.entries_at = static_cast<std::size_t>(row.number(8));
  const auto split = around.begin() + static_cast<std::ptrdiff_t>(layout.entries_at);
  crl.crl.reserve(around.size() + static_cast<std::size_t>(row.number(9)));
  crl.crl.assign(around.begin(), split);
  for (std::uint32_t part = 0; part < layout.parts; ++part) {
    MUSTER_TRY(const auto found, db::run(tx, kFindPart, {issuer, shard, layout.base, part}));
    if (found.empty()) return Error{ErrorCode::kUnavailable, db::kDatabaseContention, "the CRL was replaced meanwhile"};
    const BytesView entries = found[0].bytes_view(0);
    crl.crl.insert(crl.crl.end(), entries.begin(), entries.end());
    layout.entries_size += entries.size();
  }
  crl.crl.insert(crl.crl.end(), split, around.end());
  return std::optional{std::move(crl)};
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
