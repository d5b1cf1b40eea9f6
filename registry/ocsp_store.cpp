// SPDX-License-Identifier: Apache-2.0
#include "registry/ocsp_store.h"

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

// Look-ups by key, one serial each. An open intent is not issued; a revoked one was perhaps signed, and is revoked.
const db::Statement kStatuses{
    "find_serial_statuses",
    "SELECT c.id IS NOT NULL OR n.id IS NOT NULL OR o.id IS NOT NULL OR i.serial IS NOT NULL,"
    " coalesce(c.revoked_at, n.revoked_at, i.revoked_at),"
    " coalesce(c.revocation_reason, i.revocation_reason, CASE WHEN n.revoked_at IS NOT NULL THEN 5 END)::smallint"
    " FROM unnest($2::bytea[]) WITH ORDINALITY AS u (serial, position)"
    " LEFT JOIN muster.certificates AS c ON c.issuer_id = $1::uuid AND c.serial = u.serial"
    " LEFT JOIN muster.infrastructure_certificates AS n ON n.issuer_id = $1::uuid AND n.serial = u.serial"
    " LEFT JOIN muster.ocsp_responders AS o ON o.issuer_id = $1::uuid AND o.serial = u.serial"
    " LEFT JOIN muster.certificate_intents AS i ON i.issuer_id = $1::uuid AND i.serial = u.serial"
    "  AND i.revoked_at IS NOT NULL ORDER BY u.position"};
const db::Statement kIssuers{"list_ocsp_issuers",
                             "SELECT i.id, i.parent_id, i.certificate FROM muster.issuers AS i"
                             " WHERE octet_length(i.certificate) > 0 AND i.id <> ALL ($1::uuid[])"};
// Every transaction before the snapshot's xmin has ended and was seen by an earlier call. The upper bound leaves out
// what a dump brought from another cluster, whose transaction ids are ahead of ours.
const db::Statement kNews{
    "read_revocation_news",
    "SELECT pg_snapshot_xmin(s.now)::text, r.issuer_id, r.serial FROM (SELECT pg_current_snapshot() AS now) AS s"
    " LEFT JOIN LATERAL (SELECT v.issuer_id, v.serial FROM muster.revocations AS v"
    "  WHERE v.transaction_id >= coalesce(nullif($1, ''), pg_snapshot_xmax(s.now)::text)::xid8"
    "  AND v.transaction_id < pg_snapshot_xmax(s.now) ORDER BY v.transaction_id LIMIT $2::bigint) AS r ON true"};
const db::Statement kStore{
    "store_ocsp_responder",
    "INSERT INTO muster.ocsp_responders (id, issuer_id, serial, not_before, not_after, certificate)"
    " VALUES ($1::bytea, $2::uuid, $3::bytea, $4::timestamptz, $5::timestamptz, $6::bytea)"};
const db::Statement kPrune{"prune_ocsp_responders",
                           "DELETE FROM muster.ocsp_responders WHERE not_after < $1::timestamptz"};

}  // namespace

Result<std::vector<SerialStatus>> find_serial_statuses(db::Transaction& tx, const IssuerId& issuer,
                                                       std::span<const Bytes> serials) {
  db::Array wanted(db::ElementType::kBytes);
  for (const Bytes& serial : serials) wanted.add(serial);
  MUSTER_TRY(const auto rows, db::run(tx, kStatuses, {issuer, wanted}));
  std::vector<SerialStatus> statuses;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SerialStatus status;
    status.issued = rows[i].boolean(0);
    if (!rows[i].is_null(1)) {
      status.revocation = Revocation{static_cast<RevocationReason>(rows[i].number(2)), rows[i].time(1)};
    }
    statuses.push_back(status);
  }
  return statuses;
}

Result<std::vector<OcspIssuer>> list_ocsp_issuers(db::Transaction& tx, std::span<const IssuerId> known) {
  db::Array ids(db::ElementType::kUuid);
  for (const IssuerId& id : known) ids.add(id);
  MUSTER_TRY(const auto rows, db::run(tx, kIssuers, {ids}));
  std::vector<OcspIssuer> issuers;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    issuers.push_back({rows[i].id<IssuerId>(0), rows[i].id_or_nil<IssuerId>(1), rows[i].bytes(2)});
  }
  return issuers;
}

Result<RevocationNews> read_revocation_news(db::Transaction& tx, const std::string& since) {
  MUSTER_TRY(const auto rows, db::run(tx, kNews, {since, kMaxRevocationNews + 1}));
  RevocationNews news;
  news.position = rows[0].text(0);
  for (std::size_t i = 0; i < rows.size() && !rows[i].is_null(1); ++i) {
    news.items.push_back({rows[i].id<IssuerId>(1), rows[i].bytes(2)});
  }
  news.too_many = news.items.size() > kMaxRevocationNews;
  return news;
}

Result<void> store_ocsp_responder(db::Transaction& tx, const OcspResponderRow& row) {
  const auto stored =
      db::run(tx, kStore, {row.id, row.issuer_id, row.serial, row.not_before, row.not_after, row.certificate});
  if (stored.ok()) return {};
  if (stored.error().reason == db::kDatabaseConflict) return Error{ErrorCode::kConflict, kCertificateExists, ""};
  return stored.error();
}

Result<std::size_t> prune_ocsp_responders(db::Transaction& tx, UtcTime expired_before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {expired_before}));
  return rows.affected();
}

}  // namespace muster::registry
