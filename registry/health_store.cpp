// SPDX-License-Identifier: Apache-2.0
#include "registry/health_store.h"

#include "db/statement.h"

namespace muster::registry {

namespace {

const db::Statement kIssuers{
    "list_issuer_health",
    "SELECT i.id, coalesce(t.name, ''), i.status, i.not_after,"
    " (SELECT min(c.next_update) FROM muster.crls AS c WHERE c.issuer_id = i.id)"
    " FROM muster.issuers AS i LEFT JOIN muster.tenants AS t ON t.id = i.tenant_id"
    " WHERE i.status NOT IN ('requested', 'retired') AND (t.id IS NULL OR t.status IN ('active', 'suspended'))"
    " ORDER BY i.not_after, i.id LIMIT $1::bigint"};
// Tenant by tenant, since the index on expiry is (tenant_id, not_after).
const db::Statement kExpiring{
    "count_expiring_by_day",
    "SELECT count(*), date_trunc('day', c.not_after AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"
    " FROM muster.tenants AS t CROSS JOIN LATERAL (SELECT e.not_after FROM muster.certificates AS e"
    "  JOIN muster.devices AS d ON d.tenant_id = e.tenant_id AND d.id = e.device_id AND d.status = 'active'"
    "  WHERE e.tenant_id = t.id AND e.status = 'active' AND e.not_after BETWEEN $1::timestamptz AND $2::timestamptz"
    "  AND NOT EXISTS (SELECT FROM muster.certificates AS n WHERE n.tenant_id = e.tenant_id"
    "   AND n.device_id = e.device_id AND n.status = 'active' AND n.not_after > $2::timestamptz)) AS c"
    " WHERE t.status = 'active' GROUP BY 2 ORDER BY 2"};
const db::Statement kInfrastructure{
    "expiring_infrastructure",
    "SELECT count(*), min(c.not_after) FROM muster.infrastructure_certificates AS c"
    " JOIN muster.edges AS e ON e.id = c.edge_id AND e.status = 'joined'"
    " WHERE c.revoked_at IS NULL AND c.not_after < $2::timestamptz"
    " AND NOT EXISTS (SELECT FROM muster.infrastructure_certificates AS n WHERE n.edge_id = c.edge_id"
    "  AND n.kind = c.kind AND n.revoked_at IS NULL AND n.not_after >= $2::timestamptz)"
    " AND c.not_after >= $1::timestamptz - interval '30 days'"};
const db::Statement kUnchained{
    "count_unchained_audit_events",
    "SELECT coalesce(sum(coalesce(cardinality(u.event_ids), 1)), 0), min(e.at) FROM muster.audit_unchained AS u"
    " JOIN muster.audit_events AS e ON e.id = u.event_id"};
const db::Statement kSilent{"silent_edges",
                            "SELECT count(*), min(coalesce(acknowledged_at, joined_at)) FROM muster.edges"
                            " WHERE status = 'joined' AND coalesce(acknowledged_at, joined_at) < $1::timestamptz"};
const db::Statement kLost{
    "lost_records",
    "SELECT count(*), min(received_at) FROM muster.edge_events WHERE received_at >= $1::timestamptz"
    " AND type IN ('wal.records_lost', 'wal.record_malformed', 'wal.record_refused')"};
const db::Statement kContested{"contested_devices",
                               "SELECT count(*), min(contested_at) FROM muster.device_sessions"
                               " WHERE contested_at >= $1::timestamptz"};
const db::Statement kKeys{"key_encryption_keys_in_use",
                          "SELECT kek_id FROM muster.issuer_keys WHERE kek_id IS NOT NULL"
                          " UNION SELECT kek_id FROM muster.heartbeat_key"
                          " UNION SELECT kek_id FROM muster.transparency_key ORDER BY kek_id"};
// A claim that only names devices harms little; one with a pattern that lets devices in from anywhere is a door.
const db::Statement kOpenClaims{
    "open_claims",
    "SELECT count(*), min(c.created_at) FROM muster.claims AS c JOIN muster.tenants AS t ON t.id = c.tenant_id"
    " WHERE t.status = 'active' AND c.revoked_at IS NULL AND c.uses < c.max_uses AND c.expires_at > $1::timestamptz"
    " AND c.created_at < $2::timestamptz"};
// What a profile promises and its certificates cannot hold: they never outlive their issuer, and without a pointer
// nobody but our brokers hears of a revocation.
const db::Statement kProfiles{
    "list_profile_faults",
    "SELECT t.name, p.name, CASE WHEN i.status IN ('retiring', 'retired') THEN 'its CA signs no more'"
    " WHEN i.status IN ('prepare', 'requested') THEN 'its CA does not sign yet'"
    " WHEN i.not_after < $1::timestamptz + p.validity_seconds * interval '1 second'"
    "  THEN 'its certificates are cut short by the end of their CA'"
    " ELSE 'its certificates live for months and name neither CRL nor OCSP' END"
    " FROM muster.profiles AS p JOIN muster.tenants AS t ON t.id = p.tenant_id AND t.status = 'active'"
    " LEFT JOIN LATERAL (SELECT s.status, s.not_after FROM muster.issuers AS s WHERE s.tenant_id = p.tenant_id"
    "  AND (s.id = p.issuer_id OR (p.issuer_id IS NULL AND s.status = 'active' AND s.slot = 'default'))"
    "  LIMIT 1) AS i ON true"
    " WHERE i.status <> 'active' OR i.not_after < $1::timestamptz + p.validity_seconds * interval '1 second'"
    " OR (NOT p.crl_pointer AND NOT p.ocsp_pointer AND p.validity_seconds > 90 * 86400)"
    " ORDER BY t.name, p.name LIMIT $2::bigint"};

Backlog read_backlog(const db::Row& row) { return {static_cast<std::size_t>(row.number(0)), row.time_if_any(1)}; }

}  // namespace

Result<std::vector<IssuerHealth>> list_issuer_health(db::Transaction& tx, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kIssuers, {limit}));
  std::vector<IssuerHealth> issuers;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    issuers.push_back({row.id<IssuerId>(0), row.text(1), row.text(2), row.time(3), row.time_if_any(4)});
  }
  return issuers;
}

Result<std::vector<ExpiringDay>> count_expiring_by_day(db::Transaction& tx, UtcTime now, UtcTime until) {
  MUSTER_TRY(const auto rows, db::run(tx, kExpiring, {now, until}));
  std::vector<ExpiringDay> days;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    days.push_back({rows[i].time(1), static_cast<std::size_t>(rows[i].number(0))});
  }
  return days;
}

Result<Backlog> expiring_infrastructure(db::Transaction& tx, UtcTime now, UtcTime until) {
  MUSTER_TRY(const auto rows, db::run(tx, kInfrastructure, {now, until}));
  return read_backlog(rows[0]);
}

Result<Backlog> unchained_audit_events(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kUnchained));
  return read_backlog(rows[0]);
}

Result<Backlog> lost_records(db::Transaction& tx, UtcTime since) {
  MUSTER_TRY(const auto rows, db::run(tx, kLost, {since}));
  return read_backlog(rows[0]);
}

Result<Backlog> contested_devices(db::Transaction& tx, UtcTime since) {
  MUSTER_TRY(const auto rows, db::run(tx, kContested, {since}));
  return read_backlog(rows[0]);
}

Result<Backlog> silent_edges(db::Transaction& tx, UtcTime since) {
  MUSTER_TRY(const auto rows, db::run(tx, kSilent, {since}));
  return read_backlog(rows[0]);
}

Result<Backlog> open_claims(db::Transaction& tx, UtcTime now, UtcTime made_before) {
  MUSTER_TRY(const auto rows, db::run(tx, kOpenClaims, {now, made_before}));
  return read_backlog(rows[0]);
}

Result<std::vector<ProfileFault>> list_profile_faults(db::Transaction& tx, UtcTime now, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kProfiles, {now, limit}));
  std::vector<ProfileFault> faults;
  for (std::size_t i = 0; i < rows.size(); ++i) faults.push_back({rows[i].text(0), rows[i].text(1), rows[i].text(2)});
  return faults;
}

Result<std::vector<std::string>> key_encryption_keys_in_use(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kKeys));
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < rows.size(); ++i) ids.push_back(rows[i].text(0));
  return ids;
}

}  // namespace muster::registry
