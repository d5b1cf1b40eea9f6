// SPDX-License-Identifier: Apache-2.0
#include "registry/bulk_revocation_store.h"

#include <algorithm>

#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kColumns =
    "id, reason, status, coalesce(serials, '{}'), device_id, issuer_id, group_name, expires_before, not_before_after,"
    " not_before_before, revoked, already_revoked, not_found, next_position, after_not_after, after_id, actor,"
    " created_at, finished_at";
const std::string kSelect = "SELECT " + kColumns + " FROM muster.bulk_revocations ";
const db::Statement kInsert{
    "insert_bulk_revocation",
    "INSERT INTO muster.bulk_revocations (tenant_id, reason, serials, device_id, issuer_id, group_name, expires_before,"
    " not_before_after, not_before_before, actor) VALUES ($1::uuid, $2::smallint, nullif($3::bytea[], '{}'), $4::uuid,"
    " $5::uuid, nullif($6, ''), $7::timestamptz, $8::timestamptz, $9::timestamptz, $10) RETURNING " +
        kColumns};
const db::Statement kGet{"get_bulk_revocation", kSelect + "WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kTake{"take_bulk_revocation",
                          kSelect +
                              "WHERE tenant_id = $1::uuid AND id = $2::uuid AND status = 'running'"
                              " FOR UPDATE SKIP LOCKED"};
const db::Statement kProgress{
    "progress_bulk_revocation",
    "UPDATE muster.bulk_revocations SET revoked = $3::bigint, already_revoked = $4::bigint, not_found = $5::bigint,"
    " next_position = $6::integer, after_not_after = $7::timestamptz, after_id = $8::bytea, status = $9,"
    " finished_at = $10::timestamptz WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kRunning{"list_running_bulk_revocations",
                             "SELECT tenant_id, id FROM muster.bulk_revocations WHERE status = 'running'"
                             " ORDER BY created_at LIMIT $1::bigint"};
const db::Statement kPrune{
    "prune_bulk_revocations",
    "DELETE FROM muster.bulk_revocations WHERE status = 'done' AND finished_at < $1::timestamptz"};

// What a query selects. $2 now, $3 to $8 the criteria, $9 created before: what is issued while the work goes on is not
// meant.
const std::string kMatches =
    " FROM muster.certificates AS c JOIN muster.devices AS d ON d.tenant_id = c.tenant_id AND d.id = c.device_id"
    " WHERE c.tenant_id = $1::uuid AND c.status = 'active' AND c.not_after >= $2::timestamptz"
    " AND ($3::uuid IS NULL OR c.device_id = $3::uuid) AND ($4::uuid IS NULL OR c.issuer_id = $4::uuid)"
    " AND ($5 = '' OR d.groups @> ARRAY[$5]) AND ($6::timestamptz IS NULL OR c.not_after < $6::timestamptz)"
    " AND ($7::timestamptz IS NULL OR c.not_before >= $7::timestamptz)"
    " AND ($8::timestamptz IS NULL OR c.not_before < $8::timestamptz)"
    " AND c.created_at <= coalesce($9::timestamptz, now())";
const std::string kSelected = "SELECT c.id, c.serial, c.issuer_id, c.device_id, d.name, c.not_after";
const db::Statement kCountMatches{"count_bulk_matches", "SELECT count(*)" + kMatches};
const db::Statement kListMatches{"list_bulk_matches",
                                 kSelected + kMatches +
                                     " AND ($10::timestamptz IS NULL OR (c.not_after, c.id) > ($10::timestamptz, "
                                     "$11::bytea)) ORDER BY c.not_after, c.id LIMIT $12::bigint"};
const db::Statement kFindSerials{
    "find_bulk_serials",
    kSelected +
        ", c.status = 'revoked', u.position FROM unnest($2::bytea[]) WITH ORDINALITY AS u (serial, position)"
        " JOIN muster.certificates AS c ON c.serial = u.serial AND c.tenant_id = $1::uuid AND c.issuer_id = ANY"
        "  (ARRAY(SELECT i.id FROM muster.issuers AS i WHERE i.tenant_id = $1::uuid))"
        " JOIN muster.devices AS d ON d.tenant_id = c.tenant_id AND d.id = c.device_id ORDER BY c.not_after, c.id"};
// In the order of the ids, as every part does, so that two of them cannot deadlock.
const db::Statement kRevoke{
    "revoke_bulk_part",
    "UPDATE muster.certificates AS c SET status = 'revoked', revoked_at = $3::timestamptz,"
    " revocation_reason = $4::smallint FROM (SELECT l.id FROM muster.certificates AS l WHERE l.tenant_id = $1::uuid"
    "  AND l.id = ANY ($2::bytea[]) AND l.status = 'active' ORDER BY l.id FOR UPDATE) AS u"
    " WHERE c.tenant_id = $1::uuid AND c.id = u.id AND c.status = 'active' RETURNING c.id, c.spki_sha256"};
const db::Statement kBlock{"block_bulk_keys",
                           "UPDATE muster.used_keys SET blocked_at = coalesce(blocked_at, $3::timestamptz)"
                           " WHERE tenant_id = $1::uuid AND spki_sha256 = ANY ($2::bytea[])"};

BulkRevocation read(const db::Row& row) {
  BulkRevocation work;
  work.id = row.raw_id(0);
  work.reason = static_cast<RevocationReason>(row.number(1));
  work.done = row.text_view(2) == "done";
  work.selection.serials = row.byte_strings(3);
  if (!row.is_null(4)) work.selection.device_id = row.id<DeviceId>(4);
  if (!row.is_null(5)) work.selection.issuer_id = row.id<IssuerId>(5);
  work.selection.group = row.text_or_empty(6);
  work.selection.expires_before = row.time_if_any(7);
  work.selection.not_before_after = row.time_if_any(8);
  work.selection.not_before_before = row.time_if_any(9);
  work.revoked = static_cast<std::uint64_t>(row.number(10));
  work.already_revoked = static_cast<std::uint64_t>(row.number(11));
  work.not_found = static_cast<std::uint64_t>(row.number(12));
  work.next_position = static_cast<std::size_t>(row.number(13));
  work.after_not_after = row.time_if_any(14);
  if (!row.is_null(15)) work.after_id = row.bytes(15);
  work.actor = row.text(16);
  work.created_at = row.time(17);
  work.finished_at = row.time_if_any(18);
  return work;
}

SelectedCertificate read_selected(const db::Row& row) {
  return {row.sha256(0), row.bytes(1), row.id<IssuerId>(2), row.id<DeviceId>(3), row.text(4), row.time(5)};
}

// A part of a selection, and where the next one begins.
struct Part {
  std::vector<SelectedCertificate> active;
  std::uint64_t already_revoked = 0;
  std::uint64_t not_found = 0;
  bool last = false;
};

Result<Part> find_serials(db::Transaction& tx, const TenantId& tenant, std::span<const Bytes> serials) {
  db::Array wanted(db::ElementType::kBytes);
  for (const Bytes& serial : serials) wanted.add(serial);
  MUSTER_TRY(const auto rows, db::run(tx, kFindSerials, {tenant, wanted}));
  Part part;
  std::vector<bool> found(serials.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found[static_cast<std::size_t>(rows[i].number(7)) - 1] = true;
    if (rows[i].boolean(6)) {
      ++part.already_revoked;
    } else {
      part.active.push_back(read_selected(rows[i]));
    }
  }
  part.not_found = static_cast<std::uint64_t>(std::ranges::count(found, false));
  return part;
}

Result<Part> find_matches(db::Transaction& tx, const TenantId& tenant, const BulkRevocation& work, UtcTime now,
                          std::size_t limit) {
  const BulkSelection& s = work.selection;
  // A second more: created_at has fractions.
  const auto created = work.id == RawId{} ? std::nullopt : std::optional(work.created_at + std::chrono::seconds{1});
  MUSTER_TRY(const auto rows,
             db::run(tx, kListMatches,
                     {tenant, now, s.device_id, s.issuer_id, s.group, s.expires_before, s.not_before_after,
                      s.not_before_before, created, work.after_not_after, work.after_id, limit}));
  Part part;
  for (std::size_t i = 0; i < rows.size(); ++i) part.active.push_back(read_selected(rows[i]));
  part.last = rows.size() < limit;
  return part;
}

Result<Part> next_part(db::Transaction& tx, const TenantId& tenant, BulkRevocation& work, UtcTime now,
                       std::size_t limit) {
  const auto& serials = work.selection.serials;
  if (serials.empty()) {
    MUSTER_TRY(Part part, find_matches(tx, tenant, work, now, limit));
    if (!part.active.empty()) {
      work.after_not_after = part.active.back().not_after;
      work.after_id.assign(part.active.back().id.begin(), part.active.back().id.end());
    }
    return part;
  }
  const std::size_t begin = std::min(work.next_position, serials.size());
  const std::size_t count = std::min(limit, serials.size() - begin);
  MUSTER_TRY(Part part, find_serials(tx, tenant, std::span(serials).subspan(begin, count)));
  work.next_position = begin + count;
  part.last = work.next_position == serials.size();
  return part;
}

Result<void> store_progress(db::Transaction& tx, const TenantId& tenant, const BulkRevocation& work) {
  const auto after_id = work.after_id.empty() ? std::nullopt : std::optional(BytesView{work.after_id});
  MUSTER_TRY_VOID(db::run(tx, kProgress,
                          {tenant, work.id, work.revoked, work.already_revoked, work.not_found, work.next_position,
                           work.after_not_after, after_id, work.done ? "done" : "running", work.finished_at}));
  return {};
}

}  // namespace

Result<SelectionPreview> preview_selection(db::Transaction& tx, const TenantId& tenant, const BulkSelection& selection,
                                           UtcTime now, std::size_t limit) {
  SelectionPreview preview;
  if (!selection.serials.empty()) {
    MUSTER_TRY(Part part, find_serials(tx, tenant, selection.serials));
    preview.count = part.active.size();
    preview.already_revoked = part.already_revoked;
    preview.not_found = part.not_found;
    part.active.resize(std::min(part.active.size(), limit));
    preview.first = std::move(part.active);
    return preview;
  }
  BulkRevocation work;
  work.selection = selection;
  MUSTER_TRY(Part part, find_matches(tx, tenant, work, now, limit));
  preview.first = std::move(part.active);
  MUSTER_TRY(const auto count,
             db::run(tx, kCountMatches,
                     {tenant, now, selection.device_id, selection.issuer_id, selection.group, selection.expires_before,
                      selection.not_before_after, selection.not_before_before, nullptr}));
  preview.count = static_cast<std::uint64_t>(count[0].number(0));
  return preview;
}

Result<BulkRevocation> create_bulk_revocation(db::Transaction& tx, const TenantId& tenant,
                                              const BulkSelection& selection, RevocationReason reason,
                                              const std::string& actor) {
  db::Array serials(db::ElementType::kBytes);
  for (const Bytes& serial : selection.serials) serials.add(serial);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {tenant, static_cast<int>(reason), serials, selection.device_id,
                                       selection.issuer_id, selection.group, selection.expires_before,
                                       selection.not_before_after, selection.not_before_before, actor}));
  return read(rows[0]);
}

Result<BulkRevocation> get_bulk_revocation(db::Transaction& tx, const TenantId& tenant, const RawId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, id}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kRevocationNotFound, ""};
  return read(rows[0]);
}

Result<std::optional<BulkRevocation>> take_bulk_revocation(db::Transaction& tx, const TenantId& tenant,
                                                           const RawId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kTake, {tenant, id}));
  if (rows.empty()) return std::optional<BulkRevocation>{};
  return std::optional<BulkRevocation>{read(rows[0])};
}

Result<std::vector<SelectedCertificate>> revoke_next_part(db::Transaction& tx, const TenantId& tenant,
                                                          BulkRevocation& work, UtcTime now, std::size_t limit) {
  MUSTER_TRY(Part part, next_part(tx, tenant, work, now, limit));
  std::vector<Sha256> changed;
  if (!part.active.empty()) {
    db::Array ids(db::ElementType::kBytes);
    for (const SelectedCertificate& certificate : part.active) ids.add(certificate.id);
    MUSTER_TRY(const auto rows, db::run(tx, kRevoke, {tenant, ids, now, static_cast<int>(work.reason)}));
    db::Array keys(db::ElementType::kBytes);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      changed.push_back(rows[i].sha256(0));
      keys.add(rows[i].bytes_view(1));
      announce(tx, EntityKind::kCertificate, tenant, changed.back());
    }
    if (work.reason == RevocationReason::kKeyCompromise) MUSTER_TRY_VOID(db::run(tx, kBlock, {tenant, keys, now}));
  }
  std::ranges::sort(changed);
  const auto untouched = std::erase_if(part.active, [&](const SelectedCertificate& certificate) {
    return !std::ranges::binary_search(changed, certificate.id);
  });
  work.revoked += changed.size();
  work.already_revoked += part.already_revoked + untouched;  // by somebody else since it was selected
  work.not_found += part.not_found;
  work.done = part.last;
  if (work.done) work.finished_at = now;
  MUSTER_TRY_VOID(store_progress(tx, tenant, work));
  return std::move(part.active);
}

Result<std::vector<std::pair<TenantId, RawId>>> list_running_bulk_revocations(db::Transaction& tx, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kRunning, {limit}));
  std::vector<std::pair<TenantId, RawId>> running;
  for (std::size_t i = 0; i < rows.size(); ++i) running.emplace_back(rows[i].id<TenantId>(0), rows[i].raw_id(1));
  return running;
}

Result<std::size_t> prune_bulk_revocations(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
