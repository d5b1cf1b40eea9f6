// SPDX-License-Identifier: Apache-2.0
#include "enroll/active_profile.h"

#include "ca/reasons.h"
#include "enroll/profiles.h"
#include "enroll/reasons.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "x509/key_kind.h"

namespace muster::enroll {

namespace {

Result<std::shared_ptr<const LoadedIssuer>> load_issuer(AuthorityContext& context, db::Transaction& tx,
                                                        const TenantId& tenant, const IssuerId& id) {
  MUSTER_TRY(const auto named, registry::get_issuer_of(tx, tenant, id));
  // After a rollover its successor signs: a profile means the slot, and the issuer it names stands for that.
  auto issuer = registry::get_active_issuer(tx, tenant, registry::IssuerKind::kTenantIssuing, named.slot);
  if (!issuer.ok() && issuer.error().reason == registry::kIssuerNotFound) {
    return Error{ErrorCode::kFailedPrecondition, reasons::kProfileIssuerInactive, {}};
  }
  MUSTER_TRY(const registry::Issuer active, std::move(issuer));
  return context.issuers->load(tx, active);
}

Result<ActiveProfile> activate(AuthorityContext& context, db::Transaction& tx, const TenantId& tenant,
                               const registry::ProfileRow* row, const db::Later<registry::Issuer>& default_issuer) {
  MUSTER_TRY(const ca::Profile profile,
             row == nullptr ? Result<ca::Profile>{context.device_profile} : to_profile(*row));
  if (row != nullptr && !row->issuer_id.is_nil()) {
    MUSTER_TRY(auto named, load_issuer(context, tx, tenant, row->issuer_id));
    return ActiveProfile{profile, std::move(named)};
  }
  MUSTER_TRY(const registry::Issuer issuer, default_issuer.get());
  MUSTER_TRY(auto loaded, context.issuers->load(tx, issuer));
  return ActiveProfile{profile, std::move(loaded)};
}

}  // namespace

Result<ca::Profile> to_profile(const registry::ProfileRow& row) {
  ca::ProfileConfig config;
  config.name = row.name;
  config.validity_seconds = row.validity_seconds;
  config.backdate_seconds = row.backdate_seconds;
  config.key_algorithms.clear();
  for (const std::string& name : row.key_algorithms) {
    const auto algorithm = x509::parse_key_algorithm(name);
    if (!algorithm) return Error{ErrorCode::kInvalidArgument, ca::reasons::kProfileInvalid, "key_algorithms"};
    config.key_algorithms.push_back(*algorithm);
  }
  config.short_lived = row.short_lived;
  config.crl_pointer = row.crl_pointer;
  config.ocsp_pointer = row.ocsp_pointer;
  return ca::Profile::create(std::move(config));
}

ProfileQuestion ask_profiles(db::Transaction& tx, const TenantId& tenant, std::set<std::string> names) {
  auto rows = registry::ask_profiles(tx, tenant, names);
  return {std::move(names), std::move(rows),
          registry::ask_active_issuer(tx, tenant, registry::IssuerKind::kTenantIssuing)};
}

Result<ActiveProfiles> load_profiles(AuthorityContext& context, db::Transaction& tx, const TenantId& tenant,
                                     const ProfileQuestion& question) {
  MUSTER_TRY(const auto rows, question.rows.get());
  std::map<std::string, const registry::ProfileRow*> row_of;
  for (const registry::ProfileRow& row : rows) row_of.emplace(row.name, &row);
  ActiveProfiles active;
  for (const std::string& name : question.names) {
    const auto found = row_of.find(name);
    if (found == row_of.end() && name != kDeviceProfile) {
      active.emplace(name, Error{ErrorCode::kInvalidArgument, reasons::kProfileUnknown, {}});
      continue;
    }
    const registry::ProfileRow* row = found == row_of.end() ? nullptr : found->second;
    active.emplace(name, activate(context, tx, tenant, row, question.default_issuer));
  }
  return active;
}

}  // namespace muster::enroll
