// SPDX-License-Identifier: Apache-2.0
#include "registry/profile_store.h"

#include <algorithm>

#include "db/reasons.h"
#include "db/statement.h"
#include "registry/cursor.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr std::size_t kMaxName = 63;

const std::string kColumns =
    "name, issuer_id, validity_seconds, backdate_seconds, key_algorithms, short_lived, crl_pointer, ocsp_pointer";
const std::string kSelect = "SELECT " + kColumns + ", created_at, updated_at FROM muster.profiles ";
const db::Statement kInsert{
    "insert_profile",
    "INSERT INTO muster.profiles (tenant_id, " + kColumns +
        ") VALUES ($1::uuid, $2, $3::uuid, $4::bigint, $5::integer, $6::text[], $7::boolean, $8::boolean, $9::boolean)"
        " ON CONFLICT (tenant_id, name) DO NOTHING"};
const db::Statement kUpdate{
    "update_profile",
    "UPDATE muster.profiles SET issuer_id = $3::uuid, validity_seconds = $4::bigint, backdate_seconds = $5::integer,"
    " key_algorithms = $6::text[], short_lived = $7::boolean, crl_pointer = $8::boolean, ocsp_pointer = $9::boolean,"
    " updated_at = now() WHERE tenant_id = $1::uuid AND name = $2"};
const db::Statement kGet{"get_profile", kSelect + "WHERE tenant_id = $1::uuid AND name = $2"};
const db::Statement kFind{"find_profiles", kSelect + "WHERE tenant_id = $1::uuid AND name = ANY ($2::text[])"};
const db::Statement kList{"list_profiles", kSelect +
                                               "WHERE tenant_id = $1::uuid AND name COLLATE \"C\" > $2"
                                               " ORDER BY name COLLATE \"C\" LIMIT $3::bigint"};
const db::Statement kDelete{"delete_profile", "DELETE FROM muster.profiles WHERE tenant_id = $1::uuid AND name = $2"};
const db::Statement kWiden{"widen_crl_shards",
                           "UPDATE muster.issuers SET crl_shards = $2::integer WHERE id = $1::uuid AND crl_shards < "
                           "$2::integer"};

ProfileRow read(const db::Row& row) {
  return {row.text(0),    row.id_or_nil<IssuerId>(1),
          row.number(2),  row.number(3),
          row.texts(4),   row.boolean(5),
          row.boolean(6), row.boolean(7),
          row.time(8),    row.time(9)};
}

Error not_found() { return {ErrorCode::kNotFound, kProfileNotFound, ""}; }

Result<std::size_t> write(db::Transaction& tx, const db::Statement& statement, const TenantId& tenant,
                          const ProfileRow& profile) {
  db::Array algorithms(db::ElementType::kText);
  for (const std::string& name : profile.key_algorithms) algorithms.add_text(name);
  const auto written =
      db::run(tx, statement,
              {tenant, profile.name, db::Param::nullable(profile.issuer_id), profile.validity_seconds,
               profile.backdate_seconds, algorithms, profile.short_lived, profile.crl_pointer, profile.ocsp_pointer});
  if (written.ok()) return written->affected();
  if (db::violated_constraint(tx) == "profiles_issuer_known") return Error{ErrorCode::kNotFound, kIssuerNotFound, ""};
  return written.error();
}

}  // namespace

bool is_profile_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMaxName && plain(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

Result<ProfileRow> create_profile(db::Transaction& tx, const TenantId& tenant, const ProfileRow& profile) {
  MUSTER_TRY(const std::size_t inserted, write(tx, kInsert, tenant, profile));
  if (inserted == 0) return Error{ErrorCode::kAlreadyExists, kProfileExists, ""};
  return get_profile(tx, tenant, profile.name);
}

Result<ProfileRow> update_profile(db::Transaction& tx, const TenantId& tenant, const ProfileRow& profile) {
  MUSTER_TRY(const std::size_t updated, write(tx, kUpdate, tenant, profile));
  if (updated == 0) return not_found();
  return get_profile(tx, tenant, profile.name);
}

Result<ProfileRow> get_profile(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  if (!is_profile_name(name)) return not_found();
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, name}));
  if (rows.empty()) return not_found();
  return read(rows[0]);
}

Result<Page<ProfileRow>> list_profiles(db::Transaction& tx, const TenantId& tenant, const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant, after, limit + 1}));
  std::vector<ProfileRow> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back(read(rows[i]));
  return finish_page(std::move(items), limit, [](const ProfileRow& profile) { return profile.name; });
}

db::Later<std::vector<ProfileRow>> ask_profiles(db::Transaction& tx, const TenantId& tenant,
                                                const std::set<std::string>& names) {
  db::Array wanted(db::ElementType::kText);
  for (const std::string& name : names) wanted.add_text(name);
  using Found = std::vector<ProfileRow>;
  return db::Later<Found>{[asked = db::ask(tx, kFind, {tenant, wanted})]() -> Result<Found> {
    MUSTER_TRY(const auto rows, asked.rows());
    Found found;
    for (std::size_t i = 0; i < rows.size(); ++i) found.push_back(read(rows[i]));
    return found;
  }};
}

Result<void> delete_profile(db::Transaction& tx, const TenantId& tenant, std::string_view name) {
  if (!is_profile_name(name)) return not_found();
  MUSTER_TRY(const auto rows, db::run(tx, kDelete, {tenant, name}));
  if (rows.affected() == 0) return not_found();
  return {};
}

Result<void> widen_crl_shards(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shards) {
  MUSTER_TRY_VOID(db::run(tx, kWiden, {issuer, shards}));
  return {};
}

}  // namespace muster::registry
