// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certificates that were stored before there was an issuance log come into it, so that `muster log verify`
// holds on deployments that were upgraded.
#pragma once

#include <cstddef>

#include "core/id.h"
#include "core/result.h"

namespace muster::enroll {

class RegistrationAuthority;

// Logs the tenant's oldest unlogged certificates, a bounded number; returns how many, 0: none is left, or another
// server is at it. Reasons: database.*, transparency.*.
Result<std::size_t> backfill_log(RegistrationAuthority& authority, const TenantId& tenant);

}  // namespace muster::enroll
