// SPDX-License-Identifier: Apache-2.0
//
// Purpose: who may ask enroll/ for what. Deny is the default; each function names the roles it lets through.
#pragma once

#include "core/id.h"
#include "core/result.h"
#include "enroll/caller.h"

namespace muster::enroll {

// All give enroll.caller_forbidden.
Result<void> require_platform(const Caller& caller);                               // platform-admin, kLocal
Result<void> require_tenant_admin(const Caller& caller, const TenantId& tenant);   // and require_platform's
Result<void> require_tenant_reader(const Caller& caller, const TenantId& tenant);  // any token role of that tenant
// Whether the caller may ask for certificates in this tenant at all; what it may have is decided per device.
Result<void> require_enroller(const Caller& caller, const TenantId& tenant);
Result<void> require_edge(const Caller& caller, const EdgeId& edge);  // that edge, and require_platform's

bool is_tenant_admin(const Caller& caller, const TenantId& tenant);

}  // namespace muster::enroll
