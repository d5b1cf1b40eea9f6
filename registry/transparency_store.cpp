// SPDX-License-Identifier: Apache-2.0
#include "registry/transparency_store.h"

#include <algorithm>
#include <set>

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr std::size_t kHash = 32;

const db::Statement kFindKey{"find_transparency_key",
                             "SELECT id, origin, public_key, kek_id, blob FROM muster.transparency_key"};
const db::Statement kOfferKey{"offer_transparency_key",
                              "INSERT INTO muster.transparency_key (id, origin, public_key, kek_id, blob)"
                              " VALUES ($1::uuid, $2, $3::bytea, $4, $5::bytea) ON CONFLICT DO NOTHING"};
const db::Statement kRewrapKey{"rewrap_transparency_key",
                               "UPDATE muster.transparency_key SET kek_id = $2, blob = $3::bytea WHERE id = $1::uuid"};
const db::Statement kLockHead{"lock_transparency_head", "SELECT size, frontier FROM muster.lock_transparency_head()"};
const db::Statement kAppend{
    "append_transparency_group",
    "INSERT INTO muster.transparency_groups (first_index, tenant_id, seed, entries, certificate_ids, created_at)"
    " VALUES ($1::bigint, $2::uuid, $3::bytea, $4::bytea, $5::bytea, coalesce($6::timestamptz, now()))"};
const db::Statement kAdvance{"advance_transparency_head",
                             "SELECT muster.advance_transparency_head($1::bigint, $2::bigint, $3::bytea[], $4,"
                             " $5::integer[], $6::bigint[], $7::bytea[])"};
const db::Statement kState{"read_transparency_state", "SELECT size, checkpoint FROM muster.transparency_head"};
const db::Statement kExtent{
    "read_transparency_extent",
    "SELECT h.size, coalesce((SELECT g.first_index + octet_length(g.entries) / 32 FROM muster.transparency_groups AS g"
    "  ORDER BY g.first_index DESC LIMIT 1), 0) FROM muster.transparency_head AS h"};
const db::Statement kEntries{
    "read_transparency_entries",
    "SELECT g.first_index, g.entries FROM muster.transparency_groups AS g"
    " WHERE g.first_index < $2::bigint AND g.first_index >= coalesce((SELECT max(b.first_index)"
    "  FROM muster.transparency_groups AS b WHERE b.first_index <= $1::bigint), 0) ORDER BY g.first_index"};
const db::Statement kNodes{"read_transparency_nodes",
                           "SELECT n.position, n.hash FROM muster.transparency_nodes AS n WHERE n.height = $1::integer"
                           " AND n.position >= $2::bigint AND n.position < $3::bigint ORDER BY n.position"};
const db::Statement kFind{
    "find_logged",
    "SELECT g.first_index, g.seed, g.certificate_ids, c.issuer_id FROM muster.certificates AS c"
    " LEFT JOIN muster.transparency_groups AS g ON g.tenant_id = c.tenant_id AND g.created_at = c.created_at"
    " WHERE c.tenant_id = $1::uuid AND c.id = $2::bytea"};
const db::Statement kFindGroups{
    "find_logged_groups",
    "SELECT g.first_index, g.seed, g.certificate_ids FROM (SELECT DISTINCT c.created_at FROM unnest($2::bytea[]) AS u "
    "(id)"
    "  CROSS JOIN LATERAL (SELECT r.created_at FROM muster.certificates AS r WHERE r.id = u.id"
    "   AND r.tenant_id = $1::uuid OFFSET 0) AS c) AS t"
    " JOIN muster.transparency_groups AS g ON g.tenant_id = $1::uuid AND g.created_at = t.created_at"};
// One server at a time; the lock ends with the transaction.
const db::Statement kBackfillTurn{"take_backfill_turn", "SELECT pg_try_advisory_xact_lock(7021788554)"};
const db::Statement kUnlogged{
    "list_unlogged",
    "SELECT c.id, c.issuer_id, c.created_at FROM muster.certificates AS c WHERE c.tenant_id = $1::uuid"
    " AND NOT EXISTS (SELECT FROM muster.transparency_groups AS g WHERE g.tenant_id = c.tenant_id"
    "  AND g.created_at = c.created_at) ORDER BY c.created_at, c.id LIMIT $2::bigint"};
// A group has up to a thousand leaves: the groups are counted, not the leaves.
const db::Statement kList{
    "list_logged",
    "SELECT g.first_index + n.place, g.seed, n.id, c.issuer_id"
    " FROM (SELECT s.first_index, s.seed, s.certificate_ids FROM muster.transparency_groups AS s"
    "  WHERE s.tenant_id = $1::uuid AND s.first_index >= $2::bigint ORDER BY s.first_index LIMIT $3::bigint) AS g"
    " CROSS JOIN LATERAL (SELECT p.place, substr(g.certificate_ids, 1 + 32 * p.place, 32) AS id"
    "  FROM generate_series(0, octet_length(g.certificate_ids) / 32 - 1) AS p (place)) AS n"
    " CROSS JOIN LATERAL (SELECT r.issuer_id FROM muster.certificates AS r WHERE r.id = n.id"
    "  AND r.tenant_id = $1::uuid OFFSET 0) AS c ORDER BY 1"};

std::vector<Sha256> to_hashes(const std::vector<Bytes>& values) {
  std::vector<Sha256> hashes(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::copy_n(values[i].begin(), std::min(values[i].size(), kHash), hashes[i].begin());
  }
  return hashes;
}

}  // namespace

Result<std::optional<TransparencyKey>> find_transparency_key(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kFindKey));
  if (rows.empty()) return std::optional<TransparencyKey>{};
  const db::Row row = rows[0];
  return std::optional<TransparencyKey>{{row.id<KeyId>(0), row.text(1), row.bytes(2), row.text(3), row.bytes(4)}};
}

Result<void> offer_transparency_key(db::Transaction& tx, const TransparencyKey& key) {
  MUSTER_TRY_VOID(db::run(tx, kOfferKey, {key.id, key.origin, key.public_key, key.kek_id, key.blob}));
  return {};
}

Result<void> rewrap_transparency_key(db::Transaction& tx, const TransparencyKey& key) {
  MUSTER_TRY_VOID(db::run(tx, kRewrapKey, {key.id, key.kek_id, key.blob}));
  return {};
}

Result<TransparencyHead> lock_transparency_head(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kLockHead));
  if (rows.empty() || rows[0].is_null(0)) return internal_error("the log has no head");
  return TransparencyHead{static_cast<std::uint64_t>(rows[0].number(0)), to_hashes(rows[0].byte_strings(1))};
}

Result<void> append_transparency(db::Transaction& tx, const TenantId& tenant, const TransparencyAppend& append) {
  const TransparencyGroup& group = append.group;
  const db::Param stored_at = append.stored_at ? db::Param::micros(*append.stored_at) : db::Param(nullptr);
  MUSTER_TRY_VOID(
      db::send(tx, kAppend, {group.first_index, tenant, group.seed, group.entries, group.certificate_ids, stored_at}));
  db::Array frontier(db::ElementType::kBytes);
  for (const Sha256& hash : append.frontier) frontier.add(hash);
  db::Array heights(db::ElementType::kInt32);
  db::Array positions(db::ElementType::kInt64);
  db::Array hashes(db::ElementType::kBytes);
  for (const TransparencyNode& node : append.nodes) {
    heights.add(static_cast<std::int64_t>(node.height));
    positions.add(static_cast<std::int64_t>(node.position));
    hashes.add(node.hash);
  }
  return db::send(
      tx, kAdvance,
      {group.first_index, group.entries.size() / kHash, frontier, append.checkpoint, heights, positions, hashes});
}

Result<TransparencyState> read_transparency_state(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kState));
  if (rows.empty()) return internal_error("the log has no head");
  return TransparencyState{static_cast<std::uint64_t>(rows[0].number(0)), rows[0].text(1)};
}

Result<TransparencyExtent> read_transparency_extent(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kExtent));
  if (rows.empty()) return internal_error("the log has no head");
  return TransparencyExtent{static_cast<std::uint64_t>(rows[0].number(0)),
                            static_cast<std::uint64_t>(rows[0].number(1))};
}

Result<Bytes> read_transparency_entries(db::Transaction& tx, std::uint64_t first, std::uint64_t last) {
  MUSTER_TRY(const auto rows, db::run(tx, kEntries, {first, last}));
  Bytes entries;
  std::uint64_t next = first;
  for (std::size_t i = 0; i < rows.size() && next < last; ++i) {
    const auto start = static_cast<std::uint64_t>(rows[i].number(0));
    const BytesView group = rows[i].bytes_view(1);
    const std::uint64_t end = start + group.size() / kHash;
    if (end <= next) continue;
    if (start > next) break;  // a gap: what follows is of no use
    const std::uint64_t stop = std::min(end, last);
    const BytesView part = group.subspan((next - start) * kHash, (stop - next) * kHash);
    entries.insert(entries.end(), part.begin(), part.end());
    next = stop;
  }
  return entries;
}

Result<Bytes> read_transparency_nodes(db::Transaction& tx, unsigned height, std::uint64_t first, std::uint64_t last) {
  MUSTER_TRY(const auto rows, db::run(tx, kNodes, {height, first, last}));
  Bytes hashes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<std::uint64_t>(rows[i].number(0)) != first + i) break;
    const BytesView hash = rows[i].bytes_view(1);
    hashes.insert(hashes.end(), hash.begin(), hash.end());
  }
  return hashes;
}

Result<LoggedPlace> find_logged(db::Transaction& tx, const TenantId& tenant, const Sha256& certificate) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {tenant, certificate}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kCertificateNotFound, ""};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].is_null(0)) continue;
    const BytesView ids = rows[i].bytes_view(2);
    for (std::size_t place = 0; (place + 1) * kHash <= ids.size(); ++place) {
      if (!std::ranges::equal(ids.subspan(place * kHash, kHash), certificate)) continue;
      return LoggedPlace{static_cast<std::uint64_t>(rows[i].number(0)) + place, rows[i].sha256(1),
                         rows[i].id<IssuerId>(3)};
    }
  }
  return Error{ErrorCode::kNotFound, kCertificateNotLogged, ""};
}

Result<std::map<Sha256, LoggedLeaf>> find_logged_leaves(db::Transaction& tx, const TenantId& tenant,
                                                        std::span<const Sha256> certificates) {
  db::Array ids(db::ElementType::kBytes);
  for (const Sha256& id : certificates) ids.add(id);
  MUSTER_TRY(const auto rows, db::run(tx, kFindGroups, {tenant, ids}));
  const std::set<Sha256> wanted(certificates.begin(), certificates.end());
  std::map<Sha256, LoggedLeaf> leaves;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const BytesView all = rows[i].bytes_view(2);
    for (std::size_t place = 0; (place + 1) * kHash <= all.size(); ++place) {
      Sha256 id{};
      std::ranges::copy(all.subspan(place * kHash, kHash), id.begin());
      if (!wanted.contains(id)) continue;
      leaves.emplace(id, LoggedLeaf{static_cast<std::uint64_t>(rows[i].number(0)) + place, rows[i].sha256(1)});
    }
  }
  return leaves;
}

Result<bool> take_backfill_turn(db::Transaction& tx) {
  MUSTER_TRY(const auto turn, db::run(tx, kBackfillTurn));
  return turn[0].boolean(0);
}

Result<std::vector<UnloggedCertificate>> list_unlogged(db::Transaction& tx, const TenantId& tenant, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kUnlogged, {tenant, limit}));
  std::vector<UnloggedCertificate> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found.push_back({rows[i].sha256(0), rows[i].id<IssuerId>(1), rows[i].micros(2)});
  }
  return found;
}

Result<std::vector<LoggedOpening>> list_logged(db::Transaction& tx, const TenantId& tenant, std::uint64_t first,
                                               std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant, first, limit}));
  std::vector<LoggedOpening> openings;
  openings.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    openings.push_back(
        {static_cast<std::uint64_t>(rows[i].number(0)), rows[i].sha256(1), rows[i].sha256(2), rows[i].id<IssuerId>(3)});
  }
  return openings;
}

}  // namespace muster::registry
