// SPDX-License-Identifier: Apache-2.0
//
// Purpose: incidents: certificates that are to be renewed now, whatever their age. An incident revokes nothing: devices
// learn of it when they ask when to renew (enroll/renewal.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "enroll/caller.h"
#include "registry/renewal_store.h"

namespace muster::enroll {

class RegistrationAuthority;

inline constexpr std::size_t kMaxIncidents = 100;  // of a tenant: each question about renewal looks at them

// Exactly one of the three.
struct NewIncident {
  std::vector<std::string> certificates;  // ids or serials, at most kMaxIncidentCertificates
  std::optional<IssuerId> issuer;         // all that it issued until now
  std::optional<Sha256> key;              // SHA-256 of the SubjectPublicKeyInfo
  std::string reason;                     // for people; devices are shown it
};

// IncidentDesk answers one request; make one on the spot. Tenant admins of `tenant` and the platform's
// (enroll.caller_forbidden). Thread-safe.
class IncidentDesk {
 public:
  explicit IncidentDesk(RegistrationAuthority& authority) : authority_(authority) {}

  // Reasons: incident.too_many, certificate.not_found, certificate.serial_ambiguous, issuer.not_found.
  Result<registry::Incident> open(const Caller& caller, const TenantId& tenant, const NewIncident& wanted) const;
  Result<void> close(const Caller& caller, const TenantId& tenant, const RawId& id) const;  // incident.not_found
  Result<void> set_superseding(const Caller& caller, const TenantId& tenant, registry::Superseding superseding) const;

 private:
  RegistrationAuthority& authority_;
};

}  // namespace muster::enroll
