// SPDX-License-Identifier: Apache-2.0
#include "registry/claim_store.h"

#include "db/array.h"
#include "db/reasons.h"
#include "db/statement.h"
#include "registry/cursor.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<ClaimKind, 2> kKindNames{
    {{ClaimKind::kSecret, "secret"}, {ClaimKind::kCertificate, "certificate"}}};

const std::string kColumns =
    "id, tenant_id, kind, description, profile, group_name, devices, device_pattern, networks, may_create,"
    " may_reissue, max_uses, expires_at, uses, created_by, created_at, revoked_at";
const std::string kSelect = "SELECT " + kColumns + " FROM muster.claims ";

const db::Statement kInsert{
    "insert_claim",
    "INSERT INTO muster.claims (tenant_id, kind, sha256, description, profile, group_name, devices, device_pattern,"
    " networks, may_create, may_reissue, max_uses, created_by, expires_at)"
    " VALUES ($1::uuid, $2, $3::bytea, $4, $5, nullif($6, ''), $7::text[], nullif($8, ''), $9::text[], $10::boolean,"
    " $11::boolean, $12::integer, $13, $14::timestamptz)"
    " ON CONFLICT (tenant_id, sha256) WHERE revoked_at IS NULL DO NOTHING RETURNING " +
        kColumns};
const db::Statement kFind{"find_claim", kSelect +
                                            "WHERE tenant_id = $1::uuid AND kind = $2 AND sha256 = $3::bytea"
                                            " ORDER BY revoked_at DESC NULLS FIRST LIMIT 1"};
const db::Statement kFindAny{"find_claim_of_any_tenant",
                             kSelect + "WHERE kind = 'secret' AND sha256 = $1::bytea LIMIT 1"};
const db::Statement kOpenCertificate{
    "is_open_claim_certificate",
    "SELECT EXISTS (SELECT FROM muster.claims AS c JOIN muster.tenants AS t ON t.id = c.tenant_id"
    " WHERE c.sha256 = $1::bytea AND c.kind = 'certificate' AND c.revoked_at IS NULL AND c.uses < c.max_uses"
    " AND c.expires_at > $2::timestamptz AND t.status = 'active')"};
const db::Statement kGet{"get_claims", kSelect + "WHERE tenant_id = $1::uuid AND id = ANY ($2::uuid[])"};
// Newest first; equal times by id.
const db::Statement kList{"list_claims",
                          kSelect +
                              "AS k WHERE k.tenant_id = $1::uuid AND ($2::uuid IS NULL OR (k.created_at, k.id) <"
                              "  (SELECT c.created_at, c.id FROM muster.claims AS c"
                              "   WHERE c.tenant_id = $1::uuid AND c.id = $2::uuid))"
                              " ORDER BY k.created_at DESC, k.id DESC LIMIT $3::bigint"};
const db::Statement kRevoke{"revoke_claim",
                            "UPDATE muster.claims SET revoked_at = coalesce(revoked_at, $3::timestamptz)"
                            " WHERE tenant_id = $1::uuid AND id = $2::uuid"};
const db::Statement kRevokeAll{"revoke_all_claims",
                               "UPDATE muster.claims SET revoked_at = $2::timestamptz"
                               " WHERE tenant_id = $1::uuid AND revoked_at IS NULL"};
const db::Statement kRedeem{"redeem_claim",
                            "UPDATE muster.claims SET uses = uses + 1 WHERE tenant_id = $1::uuid AND id = $2::uuid"
                            " AND uses < max_uses AND expires_at > $3::timestamptz AND revoked_at IS NULL"};

Claim read(const db::Row& row) {
  Claim claim;
  claim.id = row.id<ClaimId>(0);
  claim.tenant_id = row.id<TenantId>(1);
  claim.terms.kind = stored_value(kKindNames, row.text_view(2));
  claim.terms.description = row.text(3);
  claim.terms.profile = row.text(4);
  claim.terms.group = row.text_or_empty(5);
  claim.terms.devices = row.texts(6);
  claim.terms.device_pattern = row.text_or_empty(7);
  claim.terms.networks = row.texts(8);
  claim.terms.may_create = row.boolean(9);
  claim.terms.may_reissue = row.boolean(10);
  claim.terms.max_uses = row.number(11);
  claim.terms.expires_at = row.time(12);
  claim.uses = row.number(13);
  claim.created_by = row.text(14);
  claim.created_at = row.time(15);
  claim.revoked_at = row.time_if_any(16);
  return claim;
}

std::optional<Claim> read_one(const db::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return read(rows[0]);
}

Error not_found() { return {ErrorCode::kNotFound, kClaimNotFound, ""}; }

db::Array texts(const std::vector<std::string>& values) {
  db::Array array(db::ElementType::kText);
  for (const std::string& value : values) array.add_text(value);
  return array;
}

}  // namespace

std::string_view to_string(ClaimKind kind) { return name_of(kKindNames, kind); }

Result<Claim> create_claim(db::Transaction& tx, const TenantId& tenant, const NewClaim& claim) {
  const ClaimTerms& terms = claim.terms;
  const db::Array devices = texts(terms.devices);
  const db::Array networks = texts(terms.networks);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {tenant, to_string(terms.kind), claim.sha256, terms.description, terms.profile,
                                       terms.group, devices, terms.device_pattern, networks, terms.may_create,
                                       terms.may_reissue, terms.max_uses, claim.created_by, terms.expires_at}));
  if (rows.empty()) return Error{ErrorCode::kAlreadyExists, kClaimExists, ""};
  return read(rows[0]);
}

Result<std::optional<Claim>> find_claim(db::Transaction& tx, const TenantId& tenant, ClaimKind kind,
                                        const Sha256& sha256) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {tenant, to_string(kind), sha256}));
  return read_one(rows);
}

Result<std::optional<Claim>> find_claim_of_any_tenant(db::Transaction& tx, const Sha256& secret_sha256) {
  MUSTER_TRY(const auto rows, db::run(tx, kFindAny, {secret_sha256}));
  return read_one(rows);
}

Result<bool> is_open_claim_certificate(db::Transaction& tx, const Sha256& sha256, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kOpenCertificate, {sha256, now}));
  return rows[0].boolean(0);
}

Result<std::vector<Claim>> get_claims(db::Transaction& tx, const TenantId& tenant, std::span<const ClaimId> ids) {
  db::Array wanted(db::ElementType::kUuid);
  for (const ClaimId& id : ids) wanted.add(id);
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, wanted}));
  std::vector<Claim> claims;
  for (std::size_t i = 0; i < rows.size(); ++i) claims.push_back(read(rows[i]));
  return claims;
}

Result<Claim> get_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id) {
  MUSTER_TRY(const auto found, get_claims(tx, tenant, std::span{&id, 1}));
  if (found.empty()) return not_found();
  return found.front();
}

Result<Page<Claim>> list_claims(db::Transaction& tx, const TenantId& tenant, const PageRequest& page) {
  ClaimId after;
  if (!page.cursor.empty()) {
    MUSTER_TRY(const std::string text, decode_cursor(page.cursor));
    const auto id = ClaimId::parse(text);
    if (!id.ok()) return Error{ErrorCode::kInvalidArgument, kCursorInvalid, ""};
    after = *id;
  }
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant, db::Param::nullable(after), limit + 1}));
  std::vector<Claim> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const Claim& claim) { return claim.id.text(); });
}

Result<void> revoke_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kRevoke, {tenant, id, now}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<bool> redeem_claim(db::Transaction& tx, const TenantId& tenant, const ClaimId& id, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kRedeem, {tenant, id, now}));
  return rows.affected() == 1;
}

Result<void> revoke_all_claims(db::Transaction& tx, const TenantId& tenant, UtcTime now) {
  MUSTER_TRY_VOID(db::run(tx, kRevokeAll, {tenant, now}));
  return {};
}

}  // namespace muster::registry
