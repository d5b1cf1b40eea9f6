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
// A request that began longer ago without an answer is taken for dead (the server crashed) and may be run again. Not
// sooner where its server's connections are gone: that one may be alive and go on over new ones, and work that shares
// transactions with others' (issuing) cannot ask in each of them whether its claim still holds.
inline constexpr std::int64_t kIdempotencyInProgressSeconds = 120;

// begin_idempotent claims the key, or returns the stored answer: absent means "go on", and finish_idempotent must
// follow with the same `now`, in this transaction or (where the work has several) in a later one. A racer with the same
// key waits for the first one's commit. Reasons: idempotency.body_differs, idempotency.in_progress.
Result<std::optional<IdempotentResponse>> begin_idempotent(db::Transaction& tx, const IdempotencyKey& key,
                                                           const Sha256& body_sha256, UtcTime now);
// Reason: idempotency.in_progress: the claim was taken for dead, and what there is belongs to who has it now.
Result<void> finish_idempotent(db::Transaction& tx, const IdempotencyKey& key, UtcTime claimed_at,
                               const IdempotentResponse& response);
// Forgets a claim whose work failed, so that the client may try again. One that somebody else has by now stays.
Result<void> abandon_idempotent(db::Transaction& tx, const IdempotencyKey& key, UtcTime claimed_at);
Result<std::size_t> prune_idempotency_records(db::Transaction& tx, UtcTime now);  // scope system

}  // namespace muster::registry
