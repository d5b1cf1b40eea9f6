// SPDX-License-Identifier: Apache-2.0
#include "registry/est_settings_store.h"

#include "db/array.h"
#include "db/statement.h"

namespace muster::registry {

namespace {

constexpr std::string_view kWrapped = "wrapped";
constexpr std::string_view kUnwrapped = "unwrapped";

const db::Statement kGet{"get_est_settings",
                         "SELECT reenroll_after_expiry_seconds, serverkeygen, unwrapped, label_names, label_forms,"
                         " label_profiles FROM muster.est_settings WHERE tenant_id = $1::uuid"};
const db::Statement kPut{
    "put_est_settings",
    "INSERT INTO muster.est_settings (tenant_id, reenroll_after_expiry_seconds, serverkeygen, unwrapped, label_names,"
    " label_forms, label_profiles)"
    " VALUES ($1::uuid, $2::integer, $3::boolean, $4::boolean, $5::text[], $6::text[], $7::text[])"
    " ON CONFLICT (tenant_id) DO UPDATE SET reenroll_after_expiry_seconds = excluded.reenroll_after_expiry_seconds,"
    " serverkeygen = excluded.serverkeygen, unwrapped = excluded.unwrapped, label_names = excluded.label_names,"
    " label_forms = excluded.label_forms, label_profiles = excluded.label_profiles"};

}  // namespace

Result<EstSettings> get_est_settings(db::Transaction& tx, const TenantId& tenant) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant}));
  EstSettings settings;
  if (rows.empty()) return settings;
  const db::Row row = rows[0];
  settings.reenroll_after_expiry_seconds = row.number(0);
  settings.serverkeygen = row.boolean(1);
  settings.unwrapped = row.boolean(2);
  const std::vector<std::string> names = row.texts(3);
  const std::vector<std::string> forms = row.texts(4);
  const std::vector<std::string> profiles = row.texts(5);
  for (std::size_t i = 0; i < names.size(); ++i) {
    settings.labels.push_back({names[i], forms[i] == kUnwrapped, profiles[i]});
  }
  return settings;
}

Result<void> put_est_settings(db::Transaction& tx, const TenantId& tenant, const EstSettings& settings) {
  db::Array names(db::ElementType::kText);
  db::Array forms(db::ElementType::kText);
  db::Array profiles(db::ElementType::kText);
  for (const EstLabel& label : settings.labels) {
    names.add_text(label.name);
    forms.add_text(label.unwrapped ? kUnwrapped : kWrapped);
    profiles.add_text(label.profile);
  }
  MUSTER_TRY_VOID(db::run(tx, kPut,
                          {tenant, settings.reenroll_after_expiry_seconds, settings.serverkeygen, settings.unwrapped,
                           names, forms, profiles}));
  return {};
}

}  // namespace muster::registry
