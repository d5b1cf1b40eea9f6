// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ca/checkpoint.h"
#include "ca/heartbeat_key.h"
#include "ca/key_ring.h"
#include "core/time.h"
#include "db/connection_pool.h"
#include "db/transaction.h"
#include "enroll/log_inclusion.h"

namespace muster::enroll {

// TileCache keeps whole tiles, which never change. Thread-safe.
class TileCache {
 public:
  using Name = std::pair<unsigned, std::uint64_t>;  // level, number
  std::shared_ptr<const Bytes> find(const Name& name) const;
  void keep(const Name& name, std::shared_ptr<const Bytes> hashes);

 private:
  mutable std::mutex mutex_;
  std::map<Name, std::shared_ptr<const Bytes>> tiles_;  // guarded by mutex_; at most 8 MiB
};

// TransparencyLog appends to the deployment's issuance log and signs its checkpoints. A checkpoint is signed in the
// transaction that stores its certificates and leaves the process only when that is committed. Thread-safe.
class TransparencyLog {
 public:
  // Loads the log's key, or makes it where the deployment has none. `ring` and `pool` outlive the object. Reasons:
  // kek.unknown, key.unwrap_failed, database.*.
  static Result<std::unique_ptr<TransparencyLog>> open(db::ConnectionPool& pool, ca::KeyRing& ring,
                                                       const std::string& deployment, const std::string& trust_domain);

  // Appends the certificates that this transaction has stored; result i belongs to certificate i. Locks the log until
  // commit: call it last but for the change numbers. Reasons: transparency.frontier_invalid, database.*.
  Result<std::vector<LogInclusion>> append(db::Transaction& tx, const TenantId& tenant,
                                           std::span<const ca::LoggedCertificate> certificates) const {
    return append(tx, tenant, certificates, std::nullopt);
  }
  // The same of certificates that a transaction of that time stored; all of them have it.
  Result<std::vector<LogInclusion>> append(db::Transaction& tx, const TenantId& tenant,
                                           std::span<const ca::LoggedCertificate> certificates,
                                           std::optional<UnixMicros> stored_at) const;

  // Brings the stored key under the ring's primary key-encryption key. Reasons: those of open.
  Result<void> rewrap(db::ConnectionPool& pool, ca::KeyRing& ring) const;
  // The signed note of a tree. Reason: internal.
  Result<std::string> sign(const ca::TreeHead& head) const;
  TileCache& tiles() const { return tiles_; }
  // For those who verify: "origin+id+key" (ca/checkpoint.h).
  std::string verifier_key() const { return ca::verifier_key(origin_, public_key_); }

 private:
  TransparencyLog(ca::HeartbeatKey key, std::string deployment, std::string origin, Bytes public_key)
      : key_(std::move(key)),
        deployment_(std::move(deployment)),
        origin_(std::move(origin)),
        public_key_(std::move(public_key)) {}
  ca::HeartbeatKey key_;  // an Ed25519 key like the heartbeat's, another one
  const std::string deployment_;
  const std::string origin_;
  const Bytes public_key_;
  mutable TileCache tiles_;
};

}  // namespace muster::enroll
