// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "ca/crl_builder.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "enroll/published_crl.h"
#include "registry/crl_store.h"

namespace muster::enroll {

// CrlPublisher answers with the stored CRL of a shard and makes a new one when something was revoked that it does not
// list, or half of its validity has passed. Nothing here is on the way of a revocation: that a shard is due follows
// from what is stored (muster.revocations), so neither a crash nor a failing key loses one; until a new CRL can be
// made the old one is served.
//
// It asks what is stored at most every few seconds a shard, and after each revocation of this process; those of other
// processes show within seconds. A shard that takes long to build is not built again at once, and whoever asks while
// it is built gets the one before. Thread-safe.
class CrlPublisher {
 public:
  explicit CrlPublisher(AuthorityContext& context) : context_(context) {}

  // Reasons: issuer.not_found, enroll.crl_shard_unknown, and why there is none: signer.*, key.*, database.*.
  Result<std::shared_ptr<const PublishedCrl>> crl(const IssuerId& issuer, std::uint32_t shard);

 private:
  using Present = std::shared_ptr<const PublishedCrl>;
  struct Shard {
    std::mutex building;  // held while looking and building
    // Guarded by CrlPublisher::mutex_.
    Present present;
    UtcTime looked_at{};
    std::uint64_t revocations = 0;  // of this process, when it was looked at
    std::chrono::steady_clock::time_point built_at{};
    std::chrono::steady_clock::duration build_time{};
  };

  Result<std::shared_ptr<Shard>> find_shard(const registry::CrlId& id);
  bool is_fresh(const Shard& shard, UtcTime now) const;           // with mutex_ held
  bool may_build_again(const Shard& shard, UtcTime now);          // takes mutex_
  Result<Present> look(const registry::CrlId& id, Shard& shard);  // with building held
  Result<Present> build(db::Transaction& tx, const registry::CrlId& id, const Present& present) const;
  static Result<Present> find_last(db::Transaction& tx, const registry::CrlId& id, const registry::CrlState& state,
                                   Present present);
  bool may_add_to(const PublishedCrl& last, const registry::CrlState& state, UtcTime now) const;
  static Result<bool> add_news(db::Transaction& tx, const registry::CrlId& id, const registry::CrlOrigin& origin,
                               const PublishedCrl& last, ca::CrlBuilder& builder);
  static void lay_out(registry::StoredCrl& made, const ca::CrlBuilder& builder, const registry::KeptParts& kept,
                      UtcTime now);
  Present keep(Shard& shard, Present crl, std::uint64_t revocations);

  AuthorityContext& context_;
  std::mutex mutex_;
  std::map<registry::CrlId, std::shared_ptr<Shard>> shards_;  // guarded by mutex_
};

}  // namespace muster::enroll
