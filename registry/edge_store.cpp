// SPDX-License-Identifier: Apache-2.0
#include "registry/edge_store.h"

#include <algorithm>

#include "db/array.h"
#include "db/reasons.h"
#include "db/statement.h"
#include "registry/cursor.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<EdgeStatus, 3> kStatusNames{
    {{EdgeStatus::kInvited, "invited"}, {EdgeStatus::kJoined, "joined"}, {EdgeStatus::kRemoved, "removed"}}};
constexpr EnumNames<InfrastructureKind, 4> kKindNames{{{InfrastructureKind::kEdgeClient, "edge"},
                                                       {InfrastructureKind::kBroker, "broker"},
                                                       {InfrastructureKind::kServer, "server"},
                                                       {InfrastructureKind::kResponder, "responder"}}};

const std::string kSelect =
    "SELECT e.id, e.name, e.status, coalesce(e.tenants, '{}'), ARRAY(SELECT t.name FROM muster.tenants AS t"
    "  WHERE t.id = ANY (e.tenants) ORDER BY t.name COLLATE \"C\"), e.database_role, e.created_at, e.joined_at,"
    " e.acknowledged_epoch, e.acknowledged_number, e.acknowledged_at, e.broker_names FROM muster.edges AS e ";
const db::Statement kInsert{"insert_edge",
                            "INSERT INTO muster.edges (name, tenants, join_token_sha256, join_token_expires_at,"
                            " broker_names) VALUES ($1, $2::uuid[], $3::bytea, $4::timestamptz, $5::text[])"
                            " ON CONFLICT (name) WHERE status <> 'removed' DO NOTHING RETURNING id"};
const db::Statement kCountTenants{
    "count_edge_tenants", "SELECT count(*) FROM muster.tenants WHERE id = ANY ($1::uuid[]) AND status <> 'deleted'"};
const db::Statement kGet{"get_edge", kSelect + "WHERE e.name = $1 AND e.status <> 'removed'"};
const db::Statement kGetById{"get_edge_by_id", kSelect + "WHERE e.id = $1::uuid AND e.status <> 'removed'"};
const db::Statement kList{"list_edges", kSelect +
                                            "WHERE e.status <> 'removed' AND e.name COLLATE \"C\" > $1"
                                            " ORDER BY e.name COLLATE \"C\" LIMIT $2::bigint"};
const db::Statement kRedeem{"redeem_join_token",
                            "UPDATE muster.edges SET status = 'joined', joined_at = $2::timestamptz"
                            " WHERE join_token_sha256 = $1::bytea AND status = 'invited'"
                            " AND join_token_expires_at > $2::timestamptz RETURNING id"};
const db::Statement kUseKey{"use_infrastructure_key",
                            "INSERT INTO muster.used_keys (spki_sha256, holder) VALUES ($1::bytea, 'infrastructure')"
                            " ON CONFLICT DO NOTHING"};
// A server or edge may get a new certificate for the key it has.
const db::Statement kOwnKey{"own_infrastructure_key",
                            "SELECT EXISTS (SELECT FROM muster.infrastructure_certificates AS c"
                            " WHERE c.spki_sha256 = $1::bytea AND c.edge_id IS NOT DISTINCT FROM $2::uuid"
                            " AND c.revoked_at IS NULL)"};
const db::Statement kInsertCertificate{
    "insert_infrastructure_certificate",
    "INSERT INTO muster.infrastructure_certificates (id, edge_id, kind, issuer_id, serial, spki_sha256, not_before,"
    " not_after, certificate) VALUES ($1::bytea, $2::uuid, $3, $4::uuid, $5::bytea, $6::bytea, $7::timestamptz,"
    " $8::timestamptz, $9::bytea)"};
const db::Statement kFindByCertificate{
    "find_edge_by_certificate",
    kSelect +
        "JOIN muster.infrastructure_certificates AS c ON c.edge_id = e.id"
        " WHERE c.id = $1::bytea AND c.kind = 'edge' AND c.revoked_at IS NULL AND e.status = 'joined'"
        " AND $2::timestamptz BETWEEN c.not_before AND c.not_after"};
const db::Statement kCreateRole{"create_edge_role", "SELECT muster.create_edge_role($1::uuid, $2)"};
const db::Statement kRemove{"remove_edge",
                            "UPDATE muster.edges SET status = 'removed', removed_at = $2::timestamptz"
                            " WHERE id = $1::uuid AND status <> 'removed'"};
const db::Statement kRevokeCertificates{"revoke_edge_certificates",
                                        "UPDATE muster.infrastructure_certificates SET revoked_at = $2::timestamptz"
                                        " WHERE edge_id = $1::uuid AND revoked_at IS NULL"};
const db::Statement kBarRole{"bar_edge_role", "SELECT muster.bar_edge_role($1::uuid)"};
const db::Statement kLeftoverRoles{
    "leftover_edge_roles", "SELECT id FROM muster.edges WHERE status = 'removed' AND database_role IS NOT NULL"};
const db::Statement kDropRole{"drop_edge_role", "SELECT muster.drop_edge_role($1::uuid)"};
const db::Statement kAcknowledge{
    "acknowledge_changes",
    "UPDATE muster.edges SET acknowledged_epoch = $2::uuid, acknowledged_number = $3::bigint,"
    " acknowledged_at = $4::timestamptz WHERE id = $1::uuid AND status = 'joined'"};
const db::Statement kRecordEvents{
    "record_edge_events",
    "INSERT INTO muster.edge_events (edge_id, id, type, at, principal, detail)"
    " SELECT $1::uuid, u.id, u.type, u.at, u.principal, u.detail"
    " FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])"
    "  AS u (id, type, at, principal, detail) ON CONFLICT (edge_id, id) DO NOTHING RETURNING id"};
const db::Statement kPruneEvents{"prune_edge_events",
                                 "DELETE FROM muster.edge_events WHERE received_at < $1::timestamptz"};

Edge read(const db::Row& row) {
  Edge edge;
  edge.id = row.id<EdgeId>(0);
  edge.name = row.text(1);
  edge.status = stored_value(kStatusNames, row.text_view(2));
  for (const RawId& tenant : row.raw_ids(3)) edge.tenants.emplace_back(tenant);
  edge.tenant_names = row.texts(4);
  edge.database_role = row.text_or_empty(5);
  edge.created_at = row.time(6);
  edge.joined_at = row.time_if_any(7);
  if (!row.is_null(8)) edge.acknowledged_epoch = row.raw_id(8);
  edge.acknowledged_number = static_cast<std::uint64_t>(row.number(9));
  edge.acknowledged_at = row.time_if_any(10);
  edge.broker_names = row.texts(11);
  return edge;
}

Error not_found() { return {ErrorCode::kNotFound, kEdgeNotFound, ""}; }

bool is_edge_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-'; });
}

Result<Edge> only(Result<db::Rows> rows) {
  if (!rows.ok()) return std::move(rows).error();
  if (rows->empty()) return not_found();
  return read((*rows)[0]);
}

Result<void> check_tenants(db::Transaction& tx, const std::vector<TenantId>& tenants, const db::Array& ids) {
  if (tenants.empty()) return {};
  MUSTER_TRY(const auto rows, db::run(tx, kCountTenants, {ids}));
  if (static_cast<std::size_t>(rows[0].number(0)) == tenants.size()) return {};
  return Error{ErrorCode::kNotFound, kTenantNotFound, ""};
}

Result<void> use_key(db::Transaction& tx, const InfrastructureCertificate& certificate) {
  MUSTER_TRY(const auto used, db::run(tx, kUseKey, {certificate.spki_sha256}));
  if (used.affected() > 0) return {};
  MUSTER_TRY(const auto own, db::run(tx, kOwnKey, {certificate.spki_sha256, db::Param::nullable(certificate.edge_id)}));
  if (own[0].boolean(0)) return {};
  return Error{ErrorCode::kConflict, kKeyAlreadyUsed, ""};
}

}  // namespace

std::string_view to_string(EdgeStatus status) { return name_of(kStatusNames, status); }
std::string_view to_string(InfrastructureKind kind) { return name_of(kKindNames, kind); }

Result<Edge> create_edge(db::Transaction& tx, const NewEdge& edge) {
  if (!is_edge_name(edge.name)) return Error{ErrorCode::kInvalidArgument, kEdgeNameInvalid, ""};
  std::vector<TenantId> wanted = edge.tenants;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  db::Array tenants(db::ElementType::kUuid);
  for (const TenantId& tenant : wanted) tenants.add(tenant);
  MUSTER_TRY_VOID(check_tenants(tx, wanted, tenants));
  const db::Param limit = wanted.empty() ? db::Param(nullptr) : db::Param(tenants);
  db::Array broker_names(db::ElementType::kText);
  for (const std::string& name : edge.broker_names) broker_names.add_text(name);
  MUSTER_TRY(
      const auto rows,
      db::run(tx, kInsert, {edge.name, limit, edge.join_token_sha256, edge.join_token_expires_at, broker_names}));
  if (rows.empty()) return Error{ErrorCode::kAlreadyExists, kEdgeExists, ""};
  return get_edge_by_id(tx, rows[0].id<EdgeId>(0));
}

Result<Edge> get_edge(db::Transaction& tx, std::string_view name) { return only(db::run(tx, kGet, {name})); }

Result<Edge> get_edge_by_id(db::Transaction& tx, const EdgeId& id) { return only(db::run(tx, kGetById, {id})); }

Result<Page<Edge>> list_edges(db::Transaction& tx, const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {after, limit + 1}));
  std::vector<Edge> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const Edge& edge) { return edge.name; });
}

Result<Edge> redeem_join_token(db::Transaction& tx, const Sha256& sha256, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kRedeem, {sha256, now}));
  if (rows.empty()) return Error{ErrorCode::kUnauthenticated, kJoinTokenInvalid, ""};
  return get_edge_by_id(tx, rows[0].id<EdgeId>(0));
}

Result<void> store_infrastructure_certificate(db::Transaction& tx, const InfrastructureCertificate& certificate) {
  MUSTER_TRY_VOID(use_key(tx, certificate));
  const auto inserted = db::run(tx, kInsertCertificate,
                                {certificate.id, db::Param::nullable(certificate.edge_id), to_string(certificate.kind),
                                 certificate.issuer_id, certificate.serial, certificate.spki_sha256,
                                 certificate.not_before, certificate.not_after, certificate.certificate});
  if (inserted.ok()) return {};
  const auto constraint = db::violated_constraint(tx);
  if (constraint == "infrastructure_certificates_edge_known") return not_found();
  if (inserted.error().reason == db::kDatabaseConflict) return Error{ErrorCode::kConflict, kCertificateExists, ""};
  return inserted.error();
}

Result<std::optional<Edge>> find_edge_by_certificate(db::Transaction& tx, const Sha256& certificate_id, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kFindByCertificate, {certificate_id, now}));
  if (rows.empty()) return std::optional<Edge>{};
  return std::optional<Edge>{read(rows[0])};
}

Result<std::string> create_edge_role(db::Transaction& tx, const EdgeId& edge, std::string_view password) {
  std::string role = "muster_edge_";
  for (const char c : edge.text()) {
    if (c != '-') role += c;
  }
  MUSTER_TRY(const std::string verifier, db::scram_verifier(tx, role, std::string(password)));
  MUSTER_TRY(const auto rows, db::run(tx, kCreateRole, {edge, verifier}));
  return rows[0].text(0);
}

Result<void> remove_edge(db::Transaction& tx, const EdgeId& id, UtcTime now) {
  MUSTER_TRY(const auto removed, db::run(tx, kRemove, {id, now}));
  if (removed.affected() == 0) return not_found();
  MUSTER_TRY_VOID(db::run(tx, kRevokeCertificates, {id, now}));
  MUSTER_TRY_VOID(db::run(tx, kBarRole, {id}));
  return {};
}

Result<void> drop_edge_role(db::Transaction& tx, const EdgeId& id) {
  MUSTER_TRY_VOID(db::run(tx, kDropRole, {id}));
  return {};
}

Result<std::vector<EdgeId>> list_leftover_edge_roles(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kLeftoverRoles, {}));
  std::vector<EdgeId> edges;
  for (std::size_t i = 0; i < rows.size(); ++i) edges.push_back(rows[i].id<EdgeId>(0));
  return edges;
}

Result<void> acknowledge_changes(db::Transaction& tx, const EdgeId& id, const RawId& epoch, std::uint64_t number,
                                 UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kAcknowledge, {id, epoch, number, now}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<std::vector<RawId>> record_edge_events(db::Transaction& tx, const EdgeId& edge,
                                              std::span<const EdgeEvent> events) {
  db::Array ids(db::ElementType::kUuid);
  db::Array types(db::ElementType::kText);
  db::Array times(db::ElementType::kTimestamp);
  db::Array principals(db::ElementType::kText);
  db::Array details(db::ElementType::kText);
  for (const EdgeEvent& event : events) {
    ids.add(BytesView(event.id.octets));
    types.add_text(event.type);
    times.add(db::to_database_micros(event.at));
    principals.add_text(event.principal);
    details.add_text(event.detail);
  }
  MUSTER_TRY(const auto rows, db::run(tx, kRecordEvents, {edge, ids, types, times, principals, details}));
  std::vector<RawId> fresh;
  for (std::size_t i = 0; i < rows.size(); ++i) fresh.push_back(rows[i].raw_id(0));
  return fresh;
}

Result<std::size_t> prune_edge_events(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPruneEvents, {before}));
  return rows.affected();
}

}  // namespace muster::registry
