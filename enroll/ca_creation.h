// SPDX-License-Identifier: Apache-2.0
//
// Purpose: makes CAs: the two roots, the platform intermediate, tenants' issuing CAs.
#pragma once

#include <memory>

#include "core/id.h"
#include "core/result.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "enroll/ca_maker.h"
#include "registry/issuer_store.h"
#include "registry/tenant_store.h"

namespace muster::enroll {

// Makes what is missing of the platform's issuers and loads them. Idempotent. Where two processes start at once, one's
// issuer is stored and the other loads it. Where the device root is kept offline (`muster ca init --offline-root` came
// before), neither a root nor an intermediate is made.
Result<void> ensure_platform_issuers(AuthorityContext& context);
CaOrder infrastructure_root_order();
CaOrder intermediate_order(const registry::Issuer* root);  // nullptr: for make_requested_ca

// Whether the intermediate's certificate comes, or will come, from a root whose key is not here.
Result<bool> has_offline_root(AuthorityContext& context);

// The platform's CA that signs tenants' issuing CAs now, with its key loaded. Scope: system.
// Reason: enroll.intermediate_missing (its certificate was not installed yet).
Result<registry::Issuer> active_intermediate(AuthorityContext& context, db::Transaction& tx);

// Makes the issuing CA of a tenant unless it has an active one; returns the active one. Reasons: tenant.not_found,
// enroll.tenant_inactive (being deleted), enroll.intermediate_missing.
Result<std::shared_ptr<const LoadedIssuer>> ensure_issuing_ca(AuthorityContext& context, const Caller& caller,
                                                              const TenantId& tenant);

// Makes the issuing CA of a new tenant as part of `tx`, so that there is never a tenant without one. Scope on entry and
// after: system. Reason: enroll.intermediate_missing.
Result<void> make_issuing_ca(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                             const registry::Tenant& tenant);

}  // namespace muster::enroll
