// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "ca/key_ring.h"
#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"

namespace muster::ca {

// A heartbeat key as it is stored: bound to deployment, id and public key (ca/key_wrapping.h).
struct WrappedHeartbeatKey {
  KeyId id;
  Bytes public_key;    // 32 octets (RFC 8032 §5.1.5)
  std::string kek_id;  // lower-case hexadecimal
  Bytes blob;
};

// HeartbeatKey is the deployment's Ed25519 key by which brokers know that their server, and not only the edge on their
// own host, says that their state is fresh. Immutable, thread-safe.
class HeartbeatKey {
 public:
  // Reason: internal.
  static Result<WrappedHeartbeatKey> make(const KeyEncryptionKey& kek, const std::string& deployment);
  // Reasons: kek.unknown, key.unwrap_failed.
  static Result<HeartbeatKey> open(KeyRing& ring, const std::string& deployment, const WrappedHeartbeatKey& key);
  ~HeartbeatKey();
  HeartbeatKey(HeartbeatKey&&) noexcept;
  HeartbeatKey& operator=(HeartbeatKey&&) noexcept;

  // 64 octets (RFC 8032 §5.1.6). Reason: internal.
  Result<Bytes> sign(BytesView message) const;
  // The same key under another key-encryption key. Reason: internal.
  Result<WrappedHeartbeatKey> wrap(const KeyEncryptionKey& kek, const std::string& deployment) const;

 private:
  struct Impl;
  explicit HeartbeatKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::ca
