// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certificate profiles: a tenant's own, chosen by name when a certificate is asked for. Values are the
// tenant's, shape and limits are not: names, usages and extensions follow from ca/profile.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/result.h"
#include "enroll/caller.h"
#include "enroll/registration_authority.h"
#include "registry/page.h"
#include "registry/profile_store.h"

namespace muster::enroll {

inline constexpr std::string_view kDeviceProfile = "device";

struct ProfileChange {                            // absent: as it is, or the default of a new profile
  std::optional<std::optional<IssuerId>> issuer;  // inner empty: the tenant's active issuing CA
  std::optional<std::int64_t> validity_seconds;
  std::optional<std::int64_t> backdate_seconds;
  std::optional<std::vector<std::string>> key_algorithms;  // names of x509/key_kind.h
  std::optional<bool> short_lived;                         // true without pointers named: both off
  std::optional<bool> crl_pointer;
  std::optional<bool> ocsp_pointer;
};

// Profiles is the tenant admin's side. Made on the spot; thread-safe. Besides their own all give
// enroll.caller_forbidden and database.*.
class Profiles {
 public:
  explicit Profiles(RegistrationAuthority& authority);

  // What "device" is where the tenant has none of its own.
  registry::ProfileRow built_in() const;
  // Reasons: profile.invalid (the detail names the key), profile.exists, issuer.not_found. "device" may be made once:
  // it then holds instead of the built-in one.
  Result<registry::ProfileRow> create(const Caller& caller, const TenantId& tenant, const std::string& name,
                                      const ProfileChange& values);
  // "device" is made where only the built-in one was. Reasons: profile.not_found, profile.invalid, issuer.not_found.
  Result<registry::ProfileRow> update(const Caller& caller, const TenantId& tenant, const std::string& name,
                                      const ProfileChange& change);
  // Certificates issued under it stay. Removing "device" brings back the built-in one. Reason: profile.not_found.
  Result<void> remove(const Caller& caller, const TenantId& tenant, const std::string& name);
  Result<registry::ProfileRow> get(const Caller& caller, const TenantId& tenant, const std::string& name);
  // By name; the built-in "device" is not among them.
  Result<registry::Page<registry::ProfileRow>> list(const Caller& caller, const TenantId& tenant,
                                                    const registry::PageRequest& page);

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
