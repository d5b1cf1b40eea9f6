// SPDX-License-Identifier: Apache-2.0
#include "registry/issuer_store.h"

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
constexpr EnumNames<IssuerStatus, 4> kStatusNames{{{IssuerStatus::kPrepare, "prepare"},
                                                   {IssuerStatus::kActive, "active"},
                                                   {IssuerStatus::kRetiring, "retiring"},
                                                   {IssuerStatus::kRetired, "retired"}}};

const std::string kSelect =
    "SELECT i.id, i.tenant_id, i.kind, i.status, i.parent_id, i.spki_sha256, i.certificate, i.chain, i.not_before,"
    " i.not_after, i.created_at FROM muster.issuers AS i ";
const db::Statement kUseKey{"use_issuer_key",
                            "INSERT INTO muster.used_keys (spki_sha256, tenant_id, holder)"
                            " VALUES ($1::bytea, $2::uuid, 'issuer') ON CONFLICT DO NOTHING"};
const db::Statement kInsert{
    "insert_issuer",
    "INSERT INTO muster.issuers (id, tenant_id, kind, status, parent_id, spki_sha256, certificate, chain, not_before,"
    " not_after) VALUES ($1::uuid, $2::uuid, $3, $4, $5::uuid, $6::bytea, $7::bytea, $8::bytea[], $9::timestamptz,"
    " $10::timestamptz)"};
const db::Statement kGet{"get_issuer", kSelect + "WHERE i.id = $1::uuid"};
const db::Statement kGetActive{"get_active_issuer", kSelect +
                                                        "WHERE i.kind = $2 AND i.status = 'active'"
                                                        " AND i.tenant_id IS NOT DISTINCT FROM $1::uuid"};
const db::Statement kList{"list_issuers",
                          kSelect + "WHERE i.tenant_id IS NOT DISTINCT FROM $1::uuid ORDER BY i.created_at, i.id"};
const db::Statement kStep{"set_issuer_status",
                          "UPDATE muster.issuers SET status = $2 WHERE id = $1::uuid AND status = $3"};
const db::Statement kInsertKey{"insert_wrapped_key",
                               "INSERT INTO muster.issuer_keys (id, tenant_id, issuer_id, spki_sha256, kek_id, blob)"
                               " VALUES ($1::uuid, $2::uuid, $3::uuid, $4::bytea, $5, $6::bytea)"};
const std::string kSelectKey = "SELECT id, tenant_id, issuer_id, spki_sha256, kek_id, blob FROM muster.issuer_keys ";
const db::Statement kGetKey{"get_wrapped_key", kSelectKey + "WHERE issuer_id = $1::uuid"};
const db::Statement kListKeys{"list_wrapped_keys", kSelectKey + "ORDER BY id"};
const db::Statement kRewrap{"rewrap_key",
                            "UPDATE muster.issuer_keys SET kek_id = $2, blob = $3::bytea WHERE id = $1::uuid"};

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
          row.time(10)};
}

WrappedKey read_key(const db::Row& row) {
  return {row.id<KeyId>(0), row.id_or_nil<TenantId>(1), row.id<IssuerId>(2), row.sha256(3), row.text(4), row.bytes(5)};
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

}  // namespace

std::string_view to_string(IssuerKind kind) { return name_of(kKindNames, kind); }
std::string_view to_string(IssuerStatus status) { return name_of(kStatusNames, status); }

Result<void> insert_issuer(db::Transaction& tx, const Issuer& issuer) {
  MUSTER_TRY(const auto used, db::run(tx, kUseKey, {issuer.spki_sha256, db::Param::nullable(issuer.tenant_id)}));
  if (used.affected() == 0) return Error{ErrorCode::kConflict, kKeyAlreadyUsed, ""};
  db::Array chain(db::ElementType::kBytes);
  for (const Bytes& certificate : issuer.chain) chain.add(certificate);
  const auto inserted = db::run(tx, kInsert,
                                {issuer.id, db::Param::nullable(issuer.tenant_id), to_string(issuer.kind),
                                 to_string(issuer.status), db::Param::nullable(issuer.parent_id), issuer.spki_sha256,
                                 issuer.certificate, chain, issuer.not_before, issuer.not_after});
  if (!inserted.ok()) return to_registry_error(tx, inserted.error());
  announce_issuer(tx, issuer.tenant_id, issuer.id);
  return {};
}

Result<Issuer> get_issuer(db::Transaction& tx, const IssuerId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {id}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<Issuer> get_active_issuer(db::Transaction& tx, const TenantId& tenant, IssuerKind kind) {
  MUSTER_TRY(const auto rows, db::run(tx, kGetActive, {db::Param::nullable(tenant), to_string(kind)}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<std::vector<Issuer>> list_issuers(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kList, {db::Param::nullable(tenant)}));
  std::vector<Issuer> issuers;
  for (std::size_t i = 0; i < rows.size(); ++i) issuers.push_back(read(rows[i]));
  return issuers;
}

Result<void> set_issuer_status(db::Transaction& tx, const IssuerId& id, IssuerStatus status) {
  MUSTER_TRY(const Issuer issuer, get_issuer(tx, id));
  if (static_cast<int>(status) != static_cast<int>(issuer.status) + 1) {
    return Error{ErrorCode::kFailedPrecondition, kIssuerStatusInvalid,
                 "the issuer is " + std::string(to_string(issuer.status))};
  }
  const auto stepped = db::run(tx, kStep, {id, to_string(status), to_string(issuer.status)});
  if (!stepped.ok()) return to_registry_error(tx, stepped.error());
  if (stepped->affected() == 0) return Error{ErrorCode::kFailedPrecondition, kIssuerStatusInvalid, "changed meanwhile"};
  announce_issuer(tx, issuer.tenant_id, id);
  return {};
}

Result<void> insert_wrapped_key(db::Transaction& tx, const WrappedKey& key) {
  MUSTER_TRY_VOID(
      db::run(tx, kInsertKey,
              {key.id, db::Param::nullable(key.tenant_id), key.issuer_id, key.spki_sha256, key.kek_id, key.blob}));
  return {};
}

Result<WrappedKey> get_wrapped_key(db::Transaction& tx, const IssuerId& issuer) {
  MUSTER_TRY(const auto rows, db::run(tx, kGetKey, {issuer}));
  if (rows.empty()) return not_found();
  return read_key(rows[0]);
}

Result<void> rewrap_key(db::Transaction& tx, const KeyId& id, std::string_view kek_id, BytesView blob) {
  MUSTER_TRY(const auto rows, db::run(tx, kRewrap, {id, kek_id, blob}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<std::vector<WrappedKey>> list_wrapped_keys(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kListKeys));
  std::vector<WrappedKey> keys;
  for (std::size_t i = 0; i < rows.size(); ++i) keys.push_back(read_key(rows[i]));
  return keys;
}

}  // namespace muster::registry
