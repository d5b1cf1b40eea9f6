// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a batch's results, so that they can be fetched again: refused lines as text, certificates by their ids,
// which are stored with the certificates themselves. Scope: the tenant's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/record.h"
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
  std::uint64_t lines = 0;  // results stored; counted when it is done
};

struct BatchResult {
  std::uint64_t line = 0;  // of the input, from 1
  std::string json;        // of a refused line: one JSON object without newline
};

struct BatchCertificate {
  std::uint64_t line = 0;
  Sha256 id{};
};

struct StoredBatchResult {
  struct Issued {
    Sha256 id{};
    std::string device;
    IssuerId issuer_id;
    Bytes serial;
    Bytes certificate;  // DER
    UtcTime not_after{};
  };
  std::uint64_t line = 0;
  std::string json;  // where nothing was issued
  std::optional<Issued> issued;
};

Result<Batch> create_batch(db::Transaction& tx, const TenantId& tenant, std::string_view created_by);
Result<Batch> get_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id);  // reason: batch.not_found
// A line stored before stays as it was. Reason: batch.not_found.
Result<void> append_batch_results(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                  std::span<const BatchResult> results);
// The lines of a group that get certificates, in the transaction that stores these. Reason: batch.not_found.
Result<void> append_batch_certificates(db::Transaction& tx, const TenantId& tenant, const BatchId& id,
                                       std::span<const BatchCertificate> certificates);
// Counts the results, too.
Result<void> finish_batch(db::Transaction& tx, const TenantId& tenant, const BatchId& id);
// Results with line > `after`, in order, at most `limit`.
Result<std::vector<StoredBatchResult>> read_batch_results(db::Transaction& tx, const TenantId& tenant,
                                                          const BatchId& id, std::uint64_t after, std::size_t limit);
Result<std::size_t> prune_batches(db::Transaction& tx, UtcTime before);  // scope system

}  // namespace muster::registry
