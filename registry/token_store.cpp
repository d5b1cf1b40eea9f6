// SPDX-License-Identifier: Apache-2.0
#include "registry/token_store.h"

#include "db/array.h"
#include "db/statement.h"
#include "registry/cursor.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<TokenRole, 6> kRoleNames{{{TokenRole::kPlatformAdmin, "platform-admin"},
                                              {TokenRole::kTenantAdmin, "tenant-admin"},
                                              {TokenRole::kFactory, "factory"},
                                              {TokenRole::kAuditor, "auditor"},
                                              {TokenRole::kApplication, "application"},
                                              {TokenRole::kBroker, "broker"}}};

const db::Statement kInsert{
    "insert_token",
    "INSERT INTO muster.tokens (tenant_id, role, description, expires_at, sha256, devices)"
    " VALUES ($1::uuid, $2, $3, $4::timestamptz, $5::bytea, $6::text[]) RETURNING id, created_at"};
const db::Statement kHolder{
    "find_token_holder",
    "SELECT k.id, k.role, k.tenant_id, t.name, t.status = 'active' FROM muster.tokens AS k"
    " LEFT JOIN muster.tenants AS t ON t.id = k.tenant_id"
    " WHERE k.sha256 = $1::bytea AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2::timestamptz)"
    " AND (k.tenant_id IS NULL OR t.status IN ('active', 'suspended'))"};
const db::Statement kOnAllowList{
    "on_allow_list",
    "SELECT EXISTS (SELECT FROM muster.tokens AS k WHERE k.tenant_id = $1::uuid AND k.id = u.token"
    " AND k.role = 'factory' AND k.revoked_at IS NULL AND u.device = ANY (k.devices))"
    " FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS u (token, device, place) ORDER BY u.place"};
// Newest first; equal times by id.
const db::Statement kList{
    "list_tokens",
    "SELECT k.id, k.tenant_id, k.role, k.description, k.created_at, k.expires_at, k.revoked_at, k.devices"
    " FROM muster.tokens AS k"
    " WHERE k.tenant_id IS NOT DISTINCT FROM $1::uuid AND ($2::uuid IS NULL OR (k.created_at, k.id) <"
    "  (SELECT c.created_at, c.id FROM muster.tokens AS c WHERE c.id = $2::uuid))"
    " ORDER BY k.created_at DESC, k.id DESC LIMIT $3::bigint"};
const db::Statement kRevoke{"revoke_token",
                            "UPDATE muster.tokens SET revoked_at = coalesce(revoked_at, $3::timestamptz)"
                            " WHERE tenant_id IS NOT DISTINCT FROM $1::uuid AND id = $2::uuid"};

Token read(const db::Row& row) {
  return {row.id<TokenId>(0),
          row.id_or_nil<TenantId>(1),
          stored_value(kRoleNames, row.text_view(2)),
          row.text(3),
          row.time(4),
          row.time_if_any(5),
          row.time_if_any(6),
          row.texts(7)};
}

}  // namespace

std::string_view to_string(TokenRole role) { return name_of(kRoleNames, role); }
std::optional<TokenRole> parse_token_role(std::string_view text) { return value_of(kRoleNames, text); }

Result<Token> create_token(db::Transaction& tx, const NewToken& token) {
  db::Array devices(db::ElementType::kText);
  for (const std::string& device : token.devices) devices.add_text(device);
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {db::Param::nullable(token.tenant_id), to_string(token.role), token.description,
                                       token.expires_at, token.sha256, devices}));
  return Token{rows[0].id<TokenId>(0), token.tenant_id,  token.role,   token.description,
               rows[0].time(1),        token.expires_at, std::nullopt, token.devices};
}

Result<std::vector<bool>> are_on_allow_list(db::Transaction& tx, const TenantId& tenant,
                                            std::span<const AllowListQuestion> questions) {
  db::Array tokens(db::ElementType::kUuid);
  db::Array devices(db::ElementType::kText);
  for (const AllowListQuestion& question : questions) {
    tokens.add(question.token);
    devices.add_text(question.device);
  }
  MUSTER_TRY(const auto rows, db::run(tx, kOnAllowList, {tenant, tokens, devices}));
  std::vector<bool> answers;
  for (std::size_t i = 0; i < rows.size(); ++i) answers.push_back(rows[i].boolean(0));
  return answers;
}

Result<TokenHolder> find_token_holder(db::Transaction& tx, const Sha256& sha256, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kHolder, {sha256, now}));
  if (rows.empty()) return Error{ErrorCode::kUnauthenticated, kTokenInvalid, ""};
  const db::Row row = rows[0];
  TokenHolder holder{row.id<TokenId>(0), stored_value(kRoleNames, row.text_view(1)), row.id_or_nil<TenantId>(2),
                     row.text_or_empty(3), TenantStatus::kActive};
  if (!holder.tenant_id.is_nil() && !row.boolean(4)) holder.tenant_status = TenantStatus::kSuspended;
  return holder;
}

Result<Page<Token>> list_tokens(db::Transaction& tx, const TenantId& tenant, const PageRequest& page) {
  TokenId after;
  if (!page.cursor.empty()) {
    MUSTER_TRY(const std::string text, decode_cursor(page.cursor));
    const auto id = TokenId::parse(text);
    if (!id.ok()) return Error{ErrorCode::kInvalidArgument, kCursorInvalid, ""};
    after = *id;
  }
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {db::Param::nullable(tenant), db::Param::nullable(after), limit + 1}));
  std::vector<Token> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const Token& token) { return token.id.text(); });
}

Result<void> revoke_token(db::Transaction& tx, const TenantId& tenant, const TokenId& id, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kRevoke, {db::Param::nullable(tenant), id, now}));
  if (rows.affected() == 0) return Error{ErrorCode::kNotFound, kTokenNotFound, ""};
  return {};
}

}  // namespace muster::registry
