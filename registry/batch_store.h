// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a batch's results, spooled line by line, so that they can be fetched again. Scope: the tenant's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

enum class BatchStatus : std::uint8_t { kRunning, kDone };

struct Batch {
  BatchId id;
  TenantId tenant_id;
  std::string created_by;
  UtcTime created_at{};
  BatchStatus status = BatchStatus::kRunning;
  std::uint64_t lines = 0;  // results stored
};

struct BatchResult {
  std::uint64_t line = 0;  // of the input, from 1
  std::string json;        // one JSON object without newline
};

Result<Batch> create_batch(db::Transaction& tx, const TenantId& tenant, std::string_view created_by);
Result<Batch> get_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id);  // reason: batch.not_found
// A line stored before stays as it was. Reason: batch.not_found.
Result<void> append_batch_results(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                  std::span<const BatchResult> results);
Result<void> finish_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id);
// Results with line > `after`, in order, at most `limit`.
Result<std::vector<BatchResult>> read_batch_results(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                                    std::uint64_t after, std::size_t limit);
Result<std::size_t> prune_batches(db::Transaction& tx, UtcTime before);  // scope system

}  // namespace muster::registry
