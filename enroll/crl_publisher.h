// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/authority_context.h"
#include "registry/crl_store.h"

namespace muster::enroll {

// CrlPublisher answers with the stored CRL of an issuer and makes a new one when revocations were added or half of its
// validity has passed. It looks for revocations at most every few seconds an issuer, so that an unauthenticated client
// cannot make the server read them for each request; those of this process count at once (mark_revoked). Thread-safe.
class CrlPublisher {
 public:
  explicit CrlPublisher(AuthorityContext& context) : context_(context) {}

  Result<Bytes> crl(const IssuerId& issuer, std::uint32_t shard);
  void mark_revoked(const IssuerId& issuer);

 private:
  struct Cached {
    UtcTime looked_at{};
    Bytes crl;
  };
  Result<Cached> refresh(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard) const;
  Result<registry::StoredCrl> publish(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                      const std::vector<registry::RevokedEntry>& revoked) const;

  AuthorityContext& context_;
  std::mutex mutex_;
  std::unordered_map<IssuerId, Cached> cache_;  // guarded by mutex_
};

}  // namespace muster::enroll
