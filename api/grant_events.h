// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/call.h"
#include "registry/grant_store.h"

namespace muster::api {

// The audit's word on a grant that was made or that ended, with all of its terms.
registry::AuditEvent grant_event(const Call& call, std::string action, const registry::Grant& grant);

}  // namespace muster::api
