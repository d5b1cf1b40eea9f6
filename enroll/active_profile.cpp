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
  if (id.is_nil()) {
    MUSTER_TRY(const auto issuer, registry::get_active_issuer(tx, tenant, registry::IssuerKind::kTenantIssuing));
    return context.issuers->load(tx, issuer);
  }
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
                               const registry::ProfileRow* row) {
  MUSTER_TRY(const ca::Profile profile,
             row == nullptr ? Result<ca::Profile>{context.device_profile} : to_profile(*row));
  MUSTER_TRY(auto issuer, load_issuer(context, tx, tenant, row == nullptr ? IssuerId{} : row->issuer_id));
  return ActiveProfile{profile, std::move(issuer)};
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

Result<ActiveProfiles> load_profiles(AuthorityContext& context, db::Transaction& tx, const TenantId& tenant,
                                     const std::set<std::string>& names) {
  const std::vector<std::string> wanted(names.begin(), names.end());
  MUSTER_TRY(const auto rows, registry::find_profiles(tx, tenant, wanted));
  std::map<std::string, const registry::ProfileRow*> row_of;
  for (const registry::ProfileRow& row : rows) row_of.emplace(row.name, &row);
  ActiveProfiles active;
  for (const std::string& name : names) {
    const auto found = row_of.find(name);
    if (found == row_of.end() && name != kDeviceProfile) {
      active.emplace(name, Error{ErrorCode::kInvalidArgument, reasons::kProfileUnknown, {}});
      continue;
    }
    active.emplace(name, activate(context, tx, tenant, found == row_of.end() ? nullptr : found->second));
  }
  return active;
}

}  // namespace muster::enroll
