// SPDX-License-Identifier: Apache-2.0
#include "db/group.h"

#include <numeric>

namespace muster::db {

namespace {

// What no other way of grouping would change, or must not be tried again.
bool concerns_all(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kOutcomeUnknown;
}

Result<void> run_items(ConnectionPool& pool, const Scope& scope, std::span<const std::size_t> items,
                       const GroupBody& body) {
  return run_transaction(pool, scope, [&](Transaction& tx) { return body(tx, items); });
}

}  // namespace

std::vector<Result<void>> run_group(ConnectionPool& pool, const Scope& scope, std::size_t count,
                                    const GroupBody& body) {
  std::vector<std::size_t> items(count);
  std::iota(items.begin(), items.end(), std::size_t{0});
  if (count == 0) return {};
  const auto together = run_items(pool, scope, items, body);
  if (together.ok() || count == 1 || concerns_all(together.error())) {
    return std::vector<Result<void>>(count, together);
  }
  std::vector<Result<void>> results;
  results.reserve(count);
  for (const std::size_t& item : items) {
    results.push_back(run_items(pool, scope, {&item, 1}, body));
  }
  return results;
}

}  // namespace muster::db
