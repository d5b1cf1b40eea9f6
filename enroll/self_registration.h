// SPDX-License-Identifier: Apache-2.0
//
// Purpose: registers a device of a tenant's own PKI that a broker saw and refused, where its anchor allows that. What
// an edge sends is a claim: the chain is verified here again, every limit is applied here, and a stolen edge can do no
// more than replay chains of devices that the tenant's own CA certified.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "enroll/authority_context.h"
#include "enroll/caller.h"

namespace muster::enroll {

struct RegistrationClaim {
  TenantId tenant;
  IssuerId anchor;
  std::vector<Bytes> chain;  // DER, leaf first; at most 9
};

class DeviceRegistrar {
 public:
  explicit DeviceRegistrar(RegistrationAuthority& authority) : context_(authority.context()) {}

  // For an edge (enroll.caller_forbidden otherwise) that serves `served` tenants only; empty: all. Returns the device's
  // name; a device that is registered by this anchor already is a success that changes nothing.
  //
  // Reasons: registration.tenant_not_served, registration.off (also: no such anchor, not active), registration.denied,
  // registration.limit_reached, registration.too_fast, registration.name_taken, tenant.inactive, device.*, and the
  // findings of x509::judge_external_chain.
  Result<std::string> register_device(const Caller& caller, std::span<const TenantId> served,
                                      const RegistrationClaim& claim) const;

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
