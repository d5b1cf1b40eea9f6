// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "core/result.h"
#include "db/transaction.h"

namespace muster::db {

// GroupBody does the work of the items named by their indices in one transaction.
using GroupBody = std::function<Result<void>(Transaction&, std::span<const std::size_t>)>;

// run_group runs items 0..count-1 in one transaction (group commit: one fsync for all). Where that fails for a reason
// that one item may have caused, each is run again in a transaction of its own, so that a bad item fails alone. Where
// the database is unavailable or the outcome unknown, all get that error and nothing is retried.
// Returns one result per item.
std::vector<Result<void>> run_group(ConnectionPool& pool, const Scope& scope, std::size_t count, const GroupBody& body);

}  // namespace muster::db
