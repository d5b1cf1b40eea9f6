// SPDX-License-Identifier: Apache-2.0
//
// Purpose: makes CAs: the two roots, the platform intermediate, tenants' issuing CAs.
#pragma once

#include <memory>

#include "core/id.h"
#include "core/result.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "registry/tenant_store.h"

namespace muster::enroll {

// Makes what is missing of the platform's issuers and loads them into `context`. Idempotent. Where two processes start
// at once, one's issuer is stored and the other loads it.
Result<void> ensure_platform_issuers(AuthorityContext& context);

// Makes the issuing CA of a tenant unless it has an active one; returns the active one. Reasons: tenant.not_found,
// enroll.tenant_inactive (being deleted).
Result<std::shared_ptr<const LoadedIssuer>> ensure_issuing_ca(AuthorityContext& context, const Caller& caller,
                                                              const TenantId& tenant);

// Makes the issuing CA of a new tenant as part of `tx`, so that there is never a tenant without one. Scope on entry and
// after: system. Reason: enroll.not_initialised.
Result<void> make_issuing_ca(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                             const registry::Tenant& tenant);

}  // namespace muster::enroll
