// SPDX-License-Identifier: Apache-2.0
//
// Purpose: makes CAs: the two roots, the platform intermediate, tenants' issuing CAs.
#pragma once

#include <memory>

#include "core/id.h"
#include "core/result.h"
#include "enroll/authority_context.h"

namespace muster::enroll {

// Makes what is missing of the platform's issuers and loads them into `context`. Idempotent. Where two processes start
// at once, one's issuer is stored and the other loads it.
Result<void> ensure_platform_issuers(AuthorityContext& context);

// Makes the issuing CA of a tenant unless it has an active one; returns the active one. Reasons: tenant.not_found,
// enroll.tenant_inactive (being deleted).
Result<std::shared_ptr<const LoadedIssuer>> ensure_issuing_ca(AuthorityContext& context, const Caller& caller,
                                                              const TenantId& tenant);

}  // namespace muster::enroll
