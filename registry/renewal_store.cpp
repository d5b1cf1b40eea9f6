// SPDX-License-Identifier: Apache-2.0
#include "registry/renewal_store.h"

#include "db/statement.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<IncidentKind, 3> kKindNames{
    {{IncidentKind::kCertificates, "certificates"}, {IncidentKind::kIssuer, "issuer"}, {IncidentKind::kKey, "key"}}};
constexpr EnumNames<Superseding, 2> kSupersedingNames{
    {{Superseding::kOnConnect, "on-connect"}, {Superseding::kNever, "never"}}};

const std::string kSelectCertificate =
    "SELECT c.id, c.device_id, c.issuer_id, c.spki_sha256, c.not_before, c.not_after"
    " FROM muster.certificates AS c WHERE c.tenant_id = $1::uuid AND ";
const db::Statement kNewest{"find_newest_certificate",
                            kSelectCertificate +
                                "c.device_id = $2::uuid AND c.status = 'active' AND c.not_after >= $3::timestamptz"
                                " ORDER BY c.created_at DESC, c.not_after DESC, c.id LIMIT 1"};
const db::Statement kRenewable{"find_renewable_certificate", kSelectCertificate + "c.id = $2::bytea"};

const std::string kSelectIncident =
    "SELECT n.id, n.kind, n.issuer_id, n.spki_sha256, n.certificate_count, n.reason, n.created_at, n.created_by"
    " FROM muster.incidents AS n WHERE n.tenant_id = $1::uuid ";
const db::Statement kInsert{
    "insert_incident",
    "INSERT INTO muster.incidents (tenant_id, kind, issuer_id, spki_sha256, certificate_count, reason, created_by)"
    " VALUES ($1::uuid, $2, $3::uuid, $4::bytea, $5::integer, $6, $7) RETURNING id"};
const db::Statement kInsertCertificates{
    "insert_incident_certificates",
    "INSERT INTO muster.incident_certificates (tenant_id, incident_id, certificate_id)"
    " SELECT DISTINCT $1::uuid, $2::uuid, u.id FROM unnest($3::bytea[]) AS u (id)"};
const db::Statement kList{"list_incidents", kSelectIncident + "ORDER BY n.created_at, n.id"};
const db::Statement kDelete{"delete_incident",
                            "DELETE FROM muster.incidents WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kCount{"count_incidents",
                           "SELECT count(*) FROM muster.incidents AS n WHERE n.tenant_id = $1::uuid"};
const db::Statement kFind{
    "find_incident",
    kSelectIncident +
        "AND ((n.kind = 'issuer' AND n.issuer_id = $2::uuid AND n.created_at >="
        "  (SELECT c.created_at FROM muster.certificates AS c WHERE c.tenant_id = n.tenant_id AND c.id = $4::bytea))"
        " OR (n.kind = 'key' AND n.spki_sha256 = $3::bytea)"
        " OR (n.kind = 'certificates' AND EXISTS (SELECT FROM muster.incident_certificates AS k"
        "  WHERE k.tenant_id = n.tenant_id AND k.certificate_id = $4::bytea AND k.incident_id = n.id)))"
        " ORDER BY n.created_at DESC, n.id LIMIT 1"};

const db::Statement kGetSuperseding{
    "get_superseding", "SELECT s.superseding FROM muster.renewal_settings AS s WHERE s.tenant_id = $1::uuid"};
const db::Statement kSetSuperseding{
    "set_superseding",
    "INSERT INTO muster.renewal_settings (tenant_id, superseding) VALUES ($1::uuid, $2)"
    " ON CONFLICT ON CONSTRAINT renewal_settings_pk DO UPDATE SET superseding = excluded.superseding"};

const db::Statement kTakeConnects{"take_connects",
                                  "SELECT t.tenant_id, t.device_id, t.certificate_id, t.reported_by FROM"
                                  " muster.take_connects($1::integer) AS t ORDER BY t.tenant_id"};
// Look-ups by key, whatever the planner thinks: most connects supersede nothing.
const db::Statement kSuperseded{
    "find_superseded",
    "SELECT DISTINCT ON (o.id) o.id, c.id, c.device_id, d.name, u.reported_by"
    " FROM unnest($2::uuid[], $3::bytea[], $5::text[]) AS u (device_id, id, reported_by)"
    " CROSS JOIN LATERAL (SELECT n.* FROM muster.certificates AS n WHERE n.id = u.id AND n.tenant_id = $1::uuid"
    "  AND n.device_id = u.device_id AND n.status = 'active' OFFSET 0) AS c"
    " CROSS JOIN LATERAL (SELECT p.id FROM muster.certificates AS p WHERE p.tenant_id = $1::uuid"
    "  AND p.device_id = c.device_id AND p.status = 'active' AND p.profile = c.profile AND p.created_at < c.created_at"
    "  AND p.not_after >= $4::timestamptz OFFSET 0) AS o"
    " JOIN muster.devices AS d ON d.tenant_id = $1::uuid AND d.id = c.device_id"
    " ORDER BY o.id, c.created_at DESC"};

RenewableCertificate read_certificate(const db::Row& row) {
  return {row.sha256(0), row.id<DeviceId>(1), row.id<IssuerId>(2), row.sha256(3), row.time(4), row.time(5)};
}

Incident read_incident(const db::Row& row) {
  Incident incident;
  incident.id = row.raw_id(0);
  incident.kind = stored_value(kKindNames, row.text_view(1));
  incident.issuer_id = row.id_or_nil<IssuerId>(2);
  if (!row.is_null(3)) incident.spki_sha256 = row.sha256(3);
  incident.certificate_count = static_cast<std::size_t>(row.number(4));
  incident.reason = row.text(5);
  incident.created_at = row.time(6);
  incident.created_by = row.text(7);
  return incident;
}

Result<std::optional<RenewableCertificate>> first(Result<db::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return std::optional<RenewableCertificate>{};
  return std::optional<RenewableCertificate>{read_certificate((*rows)[0])};
}

}  // namespace

std::string_view to_string(IncidentKind kind) { return name_of(kKindNames, kind); }
std::string_view to_string(Superseding superseding) { return name_of(kSupersedingNames, superseding); }
std::optional<Superseding> parse_superseding(std::string_view text) { return value_of(kSupersedingNames, text); }

Result<std::optional<RenewableCertificate>> find_newest_certificate(db::Transaction& tx, const TenantId& tenant,
                                                                    const DeviceId& device, UtcTime now) {
  return first(db::run(tx, kNewest, {tenant, device, now}));
}

Result<std::optional<RenewableCertificate>> find_renewable_certificate(db::Transaction& tx, const TenantId& tenant,
                                                                       const Sha256& id) {
  return first(db::run(tx, kRenewable, {tenant, id}));
}

Result<RawId> insert_incident(db::Transaction& tx, const TenantId& tenant, const Incident& incident,
                              std::span<const Sha256> certificates) {
  db::Array ids(db::ElementType::kBytes);
  for (const Sha256& id : certificates) ids.add(id);
  const db::Param spki = incident.spki_sha256 ? db::Param(*incident.spki_sha256) : db::Param(nullptr);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {tenant, to_string(incident.kind), db::Param::nullable(incident.issuer_id), spki,
                                       incident.certificate_count, incident.reason, incident.created_by}));
  const RawId id = rows[0].raw_id(0);
  if (!certificates.empty()) MUSTER_TRY_VOID(db::run(tx, kInsertCertificates, {tenant, id, ids}));
  return id;
}

Result<std::vector<Incident>> list_incidents(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant}));
  std::vector<Incident> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read_incident(rows[i]));
  return items;
}

Result<void> delete_incident(db::Transaction& tx, const TenantId& tenant, const RawId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kDelete, {tenant, id}));
  if (rows.affected() == 0) return Error{ErrorCode::kNotFound, kIncidentNotFound, ""};
  return {};
}

Result<std::size_t> count_incidents(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kCount, {tenant}));
  return static_cast<std::size_t>(rows[0].number(0));
}

Result<std::optional<Incident>> find_incident(db::Transaction& tx, const TenantId& tenant,
                                              const RenewableCertificate& certificate) {
  MUSTER_TRY(const auto rows,
             db::run(tx, kFind, {tenant, certificate.issuer_id, certificate.spki_sha256, certificate.id}));
  if (rows.empty()) return std::optional<Incident>{};
  return std::optional<Incident>{read_incident(rows[0])};
}

Result<Superseding> get_superseding(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kGetSuperseding, {tenant}));
  if (rows.empty()) return Superseding::kOnConnect;
  return stored_value(kSupersedingNames, rows[0].text_view(0));
}

Result<void> set_superseding(db::Transaction& tx, const TenantId& tenant, Superseding superseding) {
  MUSTER_TRY_VOID(db::run(tx, kSetSuperseding, {tenant, to_string(superseding)}));
  return {};
}

Result<std::vector<SeenConnect>> take_connects(db::Transaction& tx, std::size_t limit) {
  MUSTER_TRY(const auto rows, db::run(tx, kTakeConnects, {limit}));
  std::vector<SeenConnect> connects;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    connects.push_back({rows[i].id<TenantId>(0), rows[i].id<DeviceId>(1), rows[i].sha256(2), rows[i].text(3)});
  }
  return connects;
}

Result<std::vector<Superseded>> find_superseded(db::Transaction& tx, const TenantId& tenant,
                                                std::span<const SeenConnect> connects, UtcTime now) {
  db::Array devices(db::ElementType::kUuid);
  db::Array certificates(db::ElementType::kBytes);
  db::Array reporters(db::ElementType::kText);
  for (const SeenConnect& connect : connects) {
    devices.add(connect.device_id);
    certificates.add(connect.certificate_id);
    reporters.add_text(connect.reported_by);
  }
  MUSTER_TRY(const auto rows, db::run(tx, kSuperseded, {tenant, devices, certificates, now, reporters}));
  std::vector<Superseded> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    found.push_back({row.sha256(0), row.sha256(1), row.id<DeviceId>(2), row.text(3), row.text(4)});
  }
  return found;
}

}  // namespace muster::registry
