// SPDX-License-Identifier: Apache-2.0
//
// Purpose: from a profile's row to what a certificate is issued by now.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ca/profile.h"
#include "core/id.h"
#include "core/result.h"
#include "db/later.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "registry/issuer_store.h"
#include "registry/profile_store.h"

namespace muster::enroll {

// to_profile checks a row's values. Reason: profile.invalid; the detail names the key.
Result<ca::Profile> to_profile(const registry::ProfileRow& row);

// ActiveProfile is what a certificate is issued by now.
struct ActiveProfile {
  ca::Profile profile;
  std::shared_ptr<const LoadedIssuer> issuer;
};

// ProfileQuestion is what has to be known of a tenant's profiles, on its way (db/later.h).
struct ProfileQuestion {
  std::set<std::string> names;
  db::Later<std::vector<registry::ProfileRow>> rows;
  db::Later<registry::Issuer> default_issuer;  // who signs where a profile names nobody
};
ProfileQuestion ask_profiles(db::Transaction& tx, const TenantId& tenant, std::set<std::string> names);

// load_profiles finds the named profiles of a tenant and loads their issuers. Without a row, "device" is the
// deployment's default. An entry may be an error of its own: enroll.profile_unknown, issuer.not_found,
// enroll.profile_issuer_inactive (in the slot of the issuer it names nobody signs now), key.*. Scope: the tenant's.
using ActiveProfiles = std::map<std::string, Result<ActiveProfile>>;
Result<ActiveProfiles> load_profiles(AuthorityContext& context, db::Transaction& tx, const TenantId& tenant,
                                     const ProfileQuestion& question);

}  // namespace muster::enroll
