// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "db/transaction.h"

namespace muster::registry {

// find_anchor_tenants: tenants that have proved a trust anchor as theirs whose subject is one of `subjects` (Name, DER)
// and that lets devices in; at most `limit`. It only says where to look: names pick no anchor. Scope: system.
Result<std::vector<TenantId>> find_anchor_tenants(db::Transaction& tx, std::span<const Bytes> subjects,
                                                  std::size_t limit);

}  // namespace muster::registry
