// SPDX-License-Identifier: Apache-2.0
#include "registry/issuer_store.h"

#include <algorithm>

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<IssuerKind, 4> kKindNames{{{IssuerKind::kDeviceRoot, "device-root"},
                                               {IssuerKind::kDeviceIntermediate, "device-intermediate"},
                                               {IssuerKind::kTenantIssuing, "tenant-issuing"},
                                               {IssuerKind::kInfrastructureRoot, "infrastructure-root"}}};
constexpr EnumNames<IssuerStatus, 5> kStatusNames{{{IssuerStatus::kRequested, "requested"},
                                                   {IssuerStatus::kPrepare, "prepare"},
                                                   {IssuerStatus::kActive, "active"},
                                                   {IssuerStatus::kRetiring, "retiring"},
                                                   {IssuerStatus::kRetired, "retired"}}};
constexpr EnumNames<IssuerOrigin, 2> kOriginNames{
    {{IssuerOrigin::kInternal, "internal"}, {IssuerOrigin::kSubordinate, "subordinate"}}};

const std::string kSelect =
    "SELECT i.id, i.tenant_id, i.kind, i.status, i.parent_id, i.spki_sha256, i.certificate, i.chain, i.not_before,"
    " i.not_after, i.created_at, i.slot, i.name, i.origin, i.request FROM muster.issuers AS i ";
const db::Statement kUseKey{"use_issuer_key",
                            "INSERT INTO muster.used_keys (spki_sha256, tenant_id, holder)"
                            " VALUES ($1::bytea, $2::uuid, 'issuer') ON CONFLICT DO NOTHING"};
const db::Statement kInsert{
    "insert_issuer",
    "INSERT INTO muster.issuers (id, tenant_id, kind, status, parent_id, spki_sha256, certificate, chain, not_before,"
    " not_after, slot, name, origin, request) VALUES ($1::uuid, $2::uuid, $3, $4, $5::uuid, $6::bytea, $7::bytea, "
    "$8::bytea[],"
    " $9::timestamptz, $10::timestamptz, $11, $12, $13, $14::bytea)"};
const db::Statement kGet{"get_issuer", kSelect + "WHERE i.id = $1::uuid"};
const db::Statement kGetOf{"get_issuer_of",
                           kSelect + "WHERE i.id = $2::uuid AND i.tenant_id IS NOT DISTINCT FROM $1::uuid"};
const db::Statement kGetActive{"get_active_issuer", kSelect +
                                                        "WHERE i.kind = $2 AND i.status = 'active' AND i.slot = $3"
                                                        " AND i.tenant_id IS NOT DISTINCT FROM $1::uuid"};
const db::Statement kLock{"lock_issuers", kSelect +
                                              "WHERE i.kind = $2 AND i.slot = $3 AND i.tenant_id IS NOT DISTINCT FROM"
                                              " $1::uuid ORDER BY i.id FOR UPDATE"};
const db::Statement kInstall{"install_issuer_certificate",
                             "UPDATE muster.issuers SET status = 'prepare', certificate = $2::bytea, chain ="
                             " $3::bytea[], not_before = $4::timestamptz, not_after = $5::timestamptz"
                             " WHERE id = $1::uuid AND status = 'requested'"};
const db::Statement kCount{"count_issuers",
                           "SELECT count(*) FILTER (WHERE i.status <> 'retired'), count(*) FROM muster.issuers AS i"
                           " WHERE i.tenant_id = $1::uuid"};
// What is being issued right now counts: it was reserved while the issuer was active and is stored in a moment.
const db::Statement kCountCertificates{
    "count_certificates_of",
    "SELECT (SELECT count(*) FROM muster.certificates AS c WHERE c.tenant_id = $1::uuid AND c.issuer_id = $2::uuid"
    "  AND c.status = 'active' AND c.not_after >= $3::timestamptz)"
    " + (SELECT count(*) FROM muster.certificate_intents AS i WHERE i.tenant_id = $1::uuid AND i.issuer_id = $2::uuid"
    "  AND i.revoked_at IS NULL AND i.created_at > now() - interval '5 minutes' AND NOT EXISTS"
    "  (SELECT FROM muster.certificates AS k WHERE k.issuer_id = i.issuer_id AND k.serial = i.serial))"};
const db::Statement kInsertCross{
    "insert_cross_certificate",
    "INSERT INTO muster.cross_certificates (tenant_id, issuer_id, id, certificate, chain, not_before, not_after)"
    " VALUES ($1::uuid, $2::uuid, $3::bytea, $4::bytea, $5::bytea[], $6::timestamptz, $7::timestamptz)"
    " ON CONFLICT DO NOTHING"};
const db::Statement kListCross{"list_cross_certificates",
                               "SELECT x.id, x.certificate, x.chain, x.not_before, x.not_after, x.created_at"
                               " FROM muster.cross_certificates AS x WHERE x.tenant_id = $1::uuid"
                               " AND x.issuer_id = $2::uuid ORDER BY x.created_at, x.id"};
const db::Statement kDeleteCross{"delete_cross_certificate",
                                 "DELETE FROM muster.cross_certificates WHERE tenant_id = $1::uuid"
                                 " AND issuer_id = $2::uuid AND id = $3::bytea"};
const db::Statement kList{"list_issuers",
                          kSelect + "WHERE i.tenant_id IS NOT DISTINCT FROM $1::uuid ORDER BY i.created_at, i.id"};
const db::Statement kStep{"set_issuer_status",
                          "UPDATE muster.issuers SET status = $2 WHERE id = $1::uuid AND status = $3"};
Issuer read(const db::Row& row) {
  return {row.id<IssuerId>(0),
          row.id_or_nil<TenantId>(1),
          stored_value(kKindNames, row.text_view(2)),
          stored_value(kStatusNames, row.text_view(3)),
          row.id_or_nil<IssuerId>(4),
          row.sha256(5),
          row.bytes(6),
          row.byte_strings(7),
          row.time(8),
          row.time(9),
          row.time(10),
          row.text(11),
          row.text(12),
          stored_value(kOriginNames, row.text_view(13)),
          row.bytes(14)};
}

Error not_found() { return {ErrorCode::kNotFound, kIssuerNotFound, ""}; }

// One active issuer of a kind: the unique index says so.
Error to_registry_error(db::Transaction& tx, const Error& error) {
  if (error.reason != db::kDatabaseConflict) return error;
  if (db::violated_constraint(tx) == "issuers_active_unique") return {ErrorCode::kConflict, kIssuerActiveExists, ""};
  if (db::violated_constraint(tx) == "issuers_spki_unique") return {ErrorCode::kConflict, kKeyAlreadyUsed, ""};
  return error;
}

void announce_issuer(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  if (!tenant.is_nil()) announce(tx, EntityKind::kIssuer, tenant, id.octets());
}

db::Array array_of(const std::vector<Bytes>& certificates) {
  db::Array array(db::ElementType::kBytes);
  for (const Bytes& certificate : certificates) array.add(certificate);
  return array;
}

Result<std::vector<Issuer>> read_all(Result<db::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  std::vector<Issuer> issuers;
  for (std::size_t i = 0; i < rows->size(); ++i) issuers.push_back(read((*rows)[i]));
  return issuers;
}

bool is_step(IssuerStatus from, IssuerStatus to) {
  switch (from) {
    case IssuerStatus::kRequested: return to == IssuerStatus::kRetired;
    case IssuerStatus::kPrepare: return to == IssuerStatus::kActive || to == IssuerStatus::kRetired;
    case IssuerStatus::kActive: return to == IssuerStatus::kRetiring;
    case IssuerStatus::kRetiring: return to == IssuerStatus::kRetired;
    case IssuerStatus::kRetired: return false;
  }
  return false;
}

}  // namespace

std::string_view to_string(IssuerKind kind) { return name_of(kKindNames, kind); }
std::string_view to_string(IssuerStatus status) { return name_of(kStatusNames, status); }
std::optional<IssuerStatus> parse_issuer_status(std::string_view text) { return value_of(kStatusNames, text); }
std::string_view to_string(IssuerOrigin origin) { return name_of(kOriginNames, origin); }

bool is_issuer_slot(std::string_view slot) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  const bool ends = !slot.empty() && slot.front() != '-' && slot.back() != '-';
  return ends && slot.size() <= 32 && std::all_of(slot.begin(), slot.end(), plain);
}

Result<void> insert_issuer(db::Transaction& tx, const Issuer& issuer) {
  MUSTER_TRY(const auto used, db::run(tx, kUseKey, {issuer.spki_sha256, db::Param::nullable(issuer.tenant_id)}));
  if (used.affected() == 0) return Error{ErrorCode::kConflict, kKeyAlreadyUsed, ""};
  const db::Array chain = array_of(issuer.chain);
  const auto inserted =
      db::run(tx, kInsert,
              {issuer.id, db::Param::nullable(issuer.tenant_id), to_string(issuer.kind), to_string(issuer.status),
               db::Param::nullable(issuer.parent_id), issuer.spki_sha256, issuer.certificate, chain, issuer.not_before,
               issuer.not_after, issuer.slot, issuer.name, to_string(issuer.origin), issuer.request});
  if (!inserted.ok()) return to_registry_error(tx, inserted.error());
  if (issuer.status != IssuerStatus::kRequested) announce_issuer(tx, issuer.tenant_id, issuer.id);
  return {};
}

Result<Issuer> get_issuer(db::Transaction& tx, const IssuerId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {id}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<Issuer> get_issuer_of(db::Transaction& tx, const TenantId& tenant, const IssuerId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGetOf, {db::Param::nullable(tenant), id}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

db::Later<Issuer> ask_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind,
                                    std::string_view slot) {
  auto asked = db::ask(tx, kGetActive, {db::Param::nullable(tenant), to_string(kind), slot});
  return db::Later<Issuer>{[asked = std::move(asked)]() -> Result<Issuer> {
    MUSTER_TRY(const auto rows, asked.rows());
    if (rows.empty()) return not_found();
    return read(rows[0]);
  }};
}

Result<Issuer> get_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind, std::string_view slot) {
  return ask_active_issuer(tx, tenant, kind, slot).get();
}

Result<std::vector<Issuer>> lock_issuers(db::Transaction& tx, const TenantId& tenant, IssuerKind kind,
                                         std::string_view slot) {
  return read_all(db::run(tx, kLock, {db::Param::nullable(tenant), to_string(kind), slot}));
}

Result<std::vector<Issuer>> list_issuers(db::Transaction& tx, const TenantId& tenant) {
  return read_all(db::run(tx, kList, {db::Param::nullable(tenant)}));
}

Result<void> set_issuer_status(db::Transaction& tx, const IssuerId& id, IssuerStatus status) {
  MUSTER_TRY(const Issuer issuer, get_issuer(tx, id));
  if (!is_step(issuer.status, status)) {
    return Error{ErrorCode::kFailedPrecondition, kIssuerStatusInvalid,
                 "the issuer is " + std::string(to_string(issuer.status))};
  }
  const auto stepped = db::run(tx, kStep, {id, to_string(status), to_string(issuer.status)});
  if (!stepped.ok()) return to_registry_error(tx, stepped.error());
  if (stepped->affected() == 0) return Error{ErrorCode::kFailedPrecondition, kIssuerStatusInvalid, "changed meanwhile"};
  announce_issuer(tx, issuer.tenant_id, id);
  return {};
}

Result<void> install_issuer_certificate(db::Transaction& tx, const Issuer& installed) {
  const db::Array chain = array_of(installed.chain);
  MUSTER_TRY(
      const auto rows,
      db::run(tx, kInstall, {installed.id, installed.certificate, chain, installed.not_before, installed.not_after}));
  if (rows.affected() == 0) {
    return Error{ErrorCode::kFailedPrecondition, kIssuerStatusInvalid, "it is not waiting for a certificate"};
  }
  announce_issuer(tx, installed.tenant_id, installed.id);
  return {};
}

Result<IssuerCount> count_issuers(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kCount, {tenant}));
  return IssuerCount{static_cast<std::size_t>(rows[0].number(0)), static_cast<std::size_t>(rows[0].number(1))};
}

Result<std::size_t> count_certificates_of(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                          UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kCountCertificates, {tenant, issuer, now}));
  return static_cast<std::size_t>(rows[0].number(0));
}

Result<void> insert_cross_certificate(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                      const CrossCertificate& cross) {
  const db::Array chain = array_of(cross.chain);
  MUSTER_TRY_VOID(db::run(tx, kInsertCross,
                          {tenant, issuer, cross.id, cross.certificate, chain, cross.not_before, cross.not_after}));
  return {};
}

Result<std::vector<CrossCertificate>> list_cross_certificates(db::Transaction& tx, const TenantId& tenant,
                                                              const IssuerId& issuer) {
  MUSTER_TRY(const auto rows, db::run(tx, kListCross, {tenant, issuer}));
  std::vector<CrossCertificate> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    found.push_back({row.sha256(0), row.bytes(1), row.byte_strings(2), row.time(3), row.time(4), row.time(5)});
  }
  return found;
}

Result<void> delete_cross_certificate(db::Transaction& tx, const TenantId& tenant, const IssuerId& issuer,
                                      const Sha256& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kDeleteCross, {tenant, issuer, id}));
  if (rows.affected() == 0) return Error{ErrorCode::kNotFound, kCrossCertificateNotFound, ""};
  return {};
}

}  // namespace muster::registry
