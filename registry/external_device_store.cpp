// SPDX-License-Identifier: Apache-2.0
//
// The part of registry/trust_anchor_store.h for devices, CRLs and revocations.
#include "db/reasons.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/cursor.h"
#include "registry/reasons.h"
#include "registry/trust_anchor_store.h"

namespace muster::registry {

namespace {

const db::Statement kCountSelf{"count_self_registered",
                               "SELECT count(*) FROM muster.external_credentials WHERE tenant_id = $1::uuid"
                               " AND anchor_id = $2::uuid AND self_registered"};
const db::Statement kNameUsed{
    "was_device_name_used",
    "SELECT EXISTS (SELECT FROM muster.devices WHERE tenant_id = $1::uuid AND name = $2 AND status <> 'deleted')"
    " OR EXISTS (SELECT FROM muster.devices WHERE tenant_id = $1::uuid AND name = $2 AND status = 'deleted')"};
const db::Statement kInsertCredential{
    "insert_external_credential",
    "INSERT INTO muster.external_credentials AS c (tenant_id, id, anchor_id, device_id, self_registered)"
    " VALUES ($1::uuid, $2::bytea, $3::uuid, $4::uuid, $5::boolean) ON CONFLICT (tenant_id, id) DO UPDATE"
    " SET device_id = excluded.device_id, self_registered = excluded.self_registered, created_at = now()"
    " WHERE EXISTS (SELECT FROM muster.devices AS d WHERE d.tenant_id = c.tenant_id AND d.id = c.device_id"
    "  AND d.status = 'deleted')"};
const db::Statement kDeleteCredential{
    "delete_external_credential",
    "DELETE FROM muster.external_credentials WHERE tenant_id = $1::uuid AND id = $2::bytea"};
const std::string kSelectCredential =
    "SELECT c.id, c.tenant_id, c.anchor_id, c.device_id, d.name, c.self_registered, c.created_at"
    " FROM muster.external_credentials AS c JOIN muster.devices AS d ON d.tenant_id = c.tenant_id"
    " AND d.id = c.device_id ";
const db::Statement kFindCredential{"find_external_credential",
                                    kSelectCredential + "WHERE c.tenant_id = $1::uuid AND c.id = $2::bytea"};
const db::Statement kListCredentials{
    "list_external_credentials", kSelectCredential +
                                     "WHERE c.tenant_id = $1::uuid AND c.anchor_id = $2::uuid AND d.status <> 'deleted'"
                                     " AND d.name COLLATE \"C\" > $3 ORDER BY d.name COLLATE \"C\" LIMIT $4::bigint"};
const db::Statement kListCrls{
    "list_external_crls",
    "SELECT issuer_key, scope, number, this_update, next_update, entries, revoked, source = 'fetch', received_at"
    " FROM muster.external_crls WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid ORDER BY issuer_key, scope"};
const db::Statement kPutCrl{
    "put_external_crl",
    "INSERT INTO muster.external_crls (tenant_id, anchor_id, issuer_key, scope, number, this_update, next_update,"
    " entries, revoked, source) VALUES ($1::uuid, $2::uuid, $3::bytea, $4::bytea, $5, $6::timestamptz,"
    " $7::timestamptz, $8::integer, $9::bytea, $10) ON CONFLICT (tenant_id, anchor_id, issuer_key, scope) DO UPDATE"
    " SET number = excluded.number, this_update = excluded.this_update, next_update = excluded.next_update,"
    " entries = excluded.entries, revoked = excluded.revoked, source = excluded.source, received_at = now()"};
const db::Statement kRevoke{"insert_external_revocation",
                            "INSERT INTO muster.external_revocations (tenant_id, anchor_id, certificate_id, revoked_at)"
                            " VALUES ($1::uuid, $2::uuid, $3::bytea, $4::timestamptz) ON CONFLICT DO NOTHING"};
const db::Statement kListRevocations{
    "list_external_revocations",
    "SELECT certificate_id FROM muster.external_revocations WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid"
    " ORDER BY certificate_id"};
const db::Statement kCountRevoked{
    "count_external_revoked",
    "SELECT (SELECT count(*) FROM muster.external_revocations WHERE tenant_id = $1::uuid AND anchor_id = $2::uuid),"
    " (SELECT coalesce(sum(entries), 0)::bigint FROM muster.external_crls WHERE tenant_id = $1::uuid"
    "  AND anchor_id = $2::uuid)"};
const db::Statement kListDue{
    "list_due_crls",
    "SELECT tenant_id, id, crl_url FROM muster.trust_anchors WHERE crl_url <> '' AND crl_next_fetch_at <="
    " $1::timestamptz AND status IN ('active', 'no-new-devices', 'suspended') ORDER BY crl_next_fetch_at LIMIT "
    "$2::bigint"};
const db::Statement kTakeCrlTurn{
    "take_crl_turn",
    "UPDATE muster.trust_anchors SET crl_next_fetch_at = $3::timestamptz + make_interval(secs => crl_fetch_seconds)"
    " WHERE tenant_id = $1::uuid AND id = $2::uuid AND crl_url <> '' AND crl_next_fetch_at <= $3::timestamptz"};
const db::Statement kNoteFetch{"note_crl_fetch",
                               "UPDATE muster.trust_anchors SET crl_fetch_failure = $3"
                               " WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kListExpired{
    "list_expired_external_crls",
    "SELECT a.tenant_id, a.id, a.expired_crl = 'last-known-good', a.crl_alarmed_at IS NOT NULL"
    " FROM muster.trust_anchors AS a WHERE a.status IN ('active', 'no-new-devices')"
    " AND EXISTS (SELECT FROM muster.external_crls AS c WHERE c.tenant_id = a.tenant_id AND c.anchor_id = a.id AND "
    "c.next_update < $1::timestamptz)"};
const db::Statement kSetAlarm{"set_crl_alarm",
                              "UPDATE muster.trust_anchors SET crl_alarmed_at = $3::timestamptz"
                              " WHERE tenant_id = $1::uuid AND id = $2::uuid"};

ExternalCredential read_credential(const db::Row& row) {
  return {row.sha256(0), row.id<TenantId>(1), row.id<IssuerId>(2), row.id<DeviceId>(3),
          row.text(4),   row.boolean(5),      row.time(6)};
}

void announce_anchor(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  announce(tx, EntityKind::kTrustAnchor, tenant, id.octets());
}

}  // namespace

Result<std::int64_t> count_self_registered(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kCountSelf, {tenant, id}));
  return rows[0].number(0);
}

Result<bool> was_device_name_used(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  MUSTER_TRY(const auto rows, db::run(tx, kNameUsed, {tenant, name}));
  return rows[0].boolean(0);
}

Result<void> insert_credential(db::Transaction& tx, const ExternalCredential& credential) {
  const auto inserted = db::run(
      tx, kInsertCredential,
      {credential.tenant_id, credential.id, credential.anchor_id, credential.device_id, credential.self_registered});
  const Error exists{ErrorCode::kAlreadyExists, kExternalCredentialExists, ""};
  if (!inserted.ok()) {
    return db::violated_constraint(tx) == "external_credentials_device_unique" ? exists : inserted.error();
  }
  if (inserted->affected() == 0) return exists;
  announce(tx, EntityKind::kExternalCredential, credential.tenant_id, credential.id);
  return {};
}

Result<void> delete_credential(db::Transaction& tx, const TenantId& tenant, const Sha256& id) {
  MUSTER_TRY(const auto deleted, db::run(tx, kDeleteCredential, {tenant, id}));
  if (deleted.affected() == 0) return Error{ErrorCode::kNotFound, kExternalCredentialNotFound, ""};
  announce(tx, EntityKind::kExternalCredential, tenant, id);
  return {};
}

Result<std::optional<ExternalCredential>> find_credential(db::Transaction& tx, const TenantId& tenant,
                                                          const Sha256& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kFindCredential, {tenant, id}));
  if (rows.empty()) return std::optional<ExternalCredential>{};
  return std::optional<ExternalCredential>{read_credential(rows[0])};
}

Result<Page<ExternalCredential>> list_credentials(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                                                  const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kListCredentials, {tenant, anchor, after, limit + 1}));
  std::vector<ExternalCredential> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read_credential(rows[i]));
  return finish_page(std::move(items), limit, [](const ExternalCredential& item) { return item.device_name; });
}

Result<std::vector<ExternalCrlRow>> list_external_crls(db::Transaction& tx, const TenantId& tenant,
                                                       const IssuerId& anchor) {
  MUSTER_TRY(const auto rows, db::run(tx, kListCrls, {tenant, anchor}));
  std::vector<ExternalCrlRow> crls;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    crls.push_back({row.sha256(0), row.sha256(1), row.text(2), row.time(3), row.time(4), row.number(5), row.bytes(6),
                    row.boolean(7), row.time(8)});
  }
  return crls;
}

Result<void> put_external_crl(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                              const ExternalCrlRow& crl) {
  MUSTER_TRY_VOID(db::run(tx, kPutCrl,
                          {tenant, anchor, crl.issuer_key, crl.scope, crl.number_hex, crl.this_update, crl.next_update,
                           crl.entries, crl.revoked, crl.fetched ? "fetch" : "upload"}));
  announce_anchor(tx, tenant, anchor);
  return {};
}

Result<bool> insert_external_revocation(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                                        const Sha256& certificate_id, UtcTime now) {
  MUSTER_TRY(const auto inserted, db::run(tx, kRevoke, {tenant, anchor, certificate_id, now}));
  if (inserted.affected() == 0) return false;
  announce_anchor(tx, tenant, anchor);
  return true;
}

Result<RevokedCounts> count_revoked(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor) {
  MUSTER_TRY(const auto rows, db::run(tx, kCountRevoked, {tenant, anchor}));
  return RevokedCounts{rows[0].number(0), rows[0].number(1)};
}

Result<std::vector<Sha256>> list_external_revocations(db::Transaction& tx, const TenantId& tenant,
                                                      const IssuerId& anchor) {
  MUSTER_TRY(const auto rows, db::run(tx, kListRevocations, {tenant, anchor}));
  std::vector<Sha256> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) ids.push_back(rows[i].sha256(0));
  return ids;
}

Result<std::vector<DueCrl>> list_due_crls(db::Transaction& tx, UtcTime now, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kListDue, {now, limit}));
  std::vector<DueCrl> due;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    due.push_back({rows[i].id<TenantId>(0), rows[i].id<IssuerId>(1), rows[i].text(2)});
  }
  return due;
}

Result<bool> take_crl_turn(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor, UtcTime now) {
  MUSTER_TRY(const auto taken, db::run(tx, kTakeCrlTurn, {tenant, anchor, now}));
  return taken.affected() > 0;
}

Result<void> note_crl_fetch(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                            std::string_view failure) {
  MUSTER_TRY_VOID(db::run(tx, kNoteFetch, {tenant, anchor, failure}));
  return {};
}

Result<std::vector<ExpiredCrlAnchor>> list_expired_crls(db::Transaction& tx, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kListExpired, {now}));
  std::vector<ExpiredCrlAnchor> anchors;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto rule = rows[i].boolean(2) ? ExpiredCrlRule::kLastKnownGood : ExpiredCrlRule::kFailClosed;
    anchors.push_back({rows[i].id<TenantId>(0), rows[i].id<IssuerId>(1), rule, rows[i].boolean(3)});
  }
  return anchors;
}

Result<void> set_crl_alarm(db::Transaction& tx, const TenantId& tenant, const IssuerId& anchor,
                           std::optional<UtcTime> at) {
  MUSTER_TRY_VOID(db::run(tx, kSetAlarm, {tenant, anchor, at}));
  return {};
}

}  // namespace muster::registry
