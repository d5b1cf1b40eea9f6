// SPDX-License-Identifier: Apache-2.0
//
// Purpose: Idempotency-Key: a mutating request sent again gets the first one's answer. Scope: the tenant's, or system
// where the request has no tenant.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

struct IdempotencyKey {
  TenantId tenant_id;  // nil: none. An id, not a name: a new tenant of an old name gets no old answer.
  std::string caller;  // "token:<id>" …
  std::string method;
  std::string path;
  std::string key;  // the header, at most 255 octets
};

struct IdempotentResponse {
  int status = 0;
  std::string content_type;
  std::string location;
  std::string body;
};

inline constexpr std::int64_t kIdempotencyKeepSeconds = 24 * 3600;
// A request that began longer ago without an answer is taken for dead (the server crashed) and may be run again.
inline constexpr std::int64_t kIdempotencyInProgressSeconds = 120;

// begin_idempotent claims the key, or returns the stored answer: absent means "go on", and finish_idempotent must
// follow, in this transaction or (where the work has several) in a later one. A racer with the same key waits for the
// first one's commit. Reasons: idempotency.body_differs, idempotency.in_progress.
Result<std::optional<IdempotentResponse>> begin_idempotent(db::Transaction& tx, const IdempotencyKey& key,
                                                           const Sha256& body_sha256, UtcTime now);
Result<void> finish_idempotent(db::Transaction& tx, const IdempotencyKey& key, const IdempotentResponse& response);
// Forgets a claim whose work failed, so that the client may try again.
Result<void> abandon_idempotent(db::Transaction& tx, const IdempotencyKey& key);
Result<std::size_t> prune_idempotency_records(db::Transaction& tx, UtcTime now);  // scope system

}  // namespace muster::registry
