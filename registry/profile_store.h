// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a tenant's certificate profiles. "device" needs no row: where there is none, the deployment's default holds.
// Scope: the tenant's.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/time.h"
#include "db/later.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

struct ProfileRow {
  std::string name;    // [a-z0-9][a-z0-9._-]{0,62}
  IssuerId issuer_id;  // of the slot that signs; nil: the tenant's default one
  std::int64_t validity_seconds = 0;
  std::int64_t backdate_seconds = 0;
  std::vector<std::string> key_algorithms;  // names of x509/key_kind.h
  bool short_lived = false;
  bool crl_pointer = true;
  bool ocsp_pointer = false;
  UtcTime created_at{};
  UtcTime updated_at{};
};

bool is_profile_name(std::string_view name);

// The caller has checked the values (is_profile_name, ca::Profile::create). Reasons: profile.exists, issuer.not_found
// (not an issuer of this tenant).
Result<ProfileRow> create_profile(db::Transaction& tx, const TenantId& tenant, const ProfileRow& profile);
// Replaces all but the name. Reasons: profile.not_found, issuer.not_found.
Result<ProfileRow> update_profile(db::Transaction& tx, const TenantId& tenant, const ProfileRow& profile);
Result<ProfileRow> get_profile(db::Transaction& tx, const TenantId& tenant, std::string_view name);
Result<Page<ProfileRow>> list_profiles(db::Transaction& tx, const TenantId& tenant, const PageRequest& page);
// Those that exist of `names`, in no order.
db::Later<std::vector<ProfileRow>> ask_profiles(db::Transaction& tx, const TenantId& tenant,
                                                const std::set<std::string>& names);
// Certificates keep the name they were issued under. Reason: profile.not_found.
Result<void> delete_profile(db::Transaction& tx, const TenantId& tenant, std::string_view name);

// Notes that `issuer` issues into `shards` CRL shards now; the number it has only grows.
Result<void> widen_crl_shards(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shards);

}  // namespace muster::registry
