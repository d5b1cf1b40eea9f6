// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the limits that the platform sets for a tenant (core/limits.h). Scope: system.
#pragma once

#include "core/id.h"
#include "core/limits.h"
#include "db/transaction.h"

namespace muster::registry {

// Reason: tenant.not_found.
Result<TenantLimits> get_tenant_limits(db::Transaction& tx, const TenantId& id);

// Replaces both parts and announces the tenant. Reasons: those of check_limits, tenant.not_found.
Result<void> set_tenant_limits(db::Transaction& tx, const TenantId& id, const TenantLimits& limits);

}  // namespace muster::registry
