// SPDX-License-Identifier: Apache-2.0
#include "enroll/authorisation.h"

#include "enroll/reasons.h"

namespace muster::enroll {

namespace {

Result<void> allow_if(bool allowed) {
  if (allowed) return {};
  return Error{ErrorCode::kPermissionDenied, reasons::kCallerForbidden, {}};
}

bool is_platform(const Caller& caller) {
  const bool role = caller.role == CallerRole::kPlatformAdmin || caller.role == CallerRole::kLocal;
  return role && !caller.tenant;
}

bool is_of(const Caller& caller, const TenantId& tenant) {
  return caller.tenant && *caller.tenant == tenant && !tenant.is_nil();
}

}  // namespace

bool is_tenant_admin(const Caller& caller, const TenantId& tenant) {
  return is_platform(caller) || (caller.role == CallerRole::kTenantAdmin && is_of(caller, tenant));
}

Result<void> require_platform(const Caller& caller) { return allow_if(is_platform(caller)); }

Result<void> require_tenant_admin(const Caller& caller, const TenantId& tenant) {
  return allow_if(is_tenant_admin(caller, tenant));
}

Result<void> require_tenant_reader(const Caller& caller, const TenantId& tenant) {
  if (is_platform(caller)) return {};
  switch (caller.role) {
    case CallerRole::kTenantAdmin:
    case CallerRole::kFactory:
    case CallerRole::kApplication:
    case CallerRole::kDevice: return allow_if(is_of(caller, tenant));
    case CallerRole::kAuditor: return allow_if(!caller.tenant || is_of(caller, tenant));
    case CallerRole::kPlatformAdmin:
    case CallerRole::kLocal:
    case CallerRole::kEdge:
    case CallerRole::kBroker:
    case CallerRole::kClaim: return allow_if(false);
  }
  return allow_if(false);
}

Result<void> require_enroller(const Caller& caller, const TenantId& tenant) {
  if (is_tenant_admin(caller, tenant)) return {};
  const bool factory = caller.role == CallerRole::kFactory && caller.token;
  const bool device = caller.role == CallerRole::kDevice && caller.device &&
                      (caller.device_certificate_id || !caller.external_chain.empty());
  const bool claim = caller.role == CallerRole::kClaim && caller.claim;
  return allow_if((factory || device || claim) && is_of(caller, tenant));
}

Result<void> require_edge(const Caller& caller, const EdgeId& edge) {
  const bool own = caller.role == CallerRole::kEdge && caller.edge && *caller.edge == edge && !edge.is_nil();
  return allow_if(own || is_platform(caller));
}

}  // namespace muster::enroll
