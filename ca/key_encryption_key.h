// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "core/result.h"
#include "core/secret_bytes.h"

namespace muster::ca {

// KeyEncryptionKey wraps the data keys of private keys; ca/key_ring.h reads it from its file. Move-only, wiped on
// destruction; immutable, thread-safe.
class KeyEncryptionKey {
 public:
  using Id = std::array<std::uint8_t, 8>;

  static Result<KeyEncryptionKey> from_bytes(BytesView octets);  // 32 octets. Reason: kek.invalid.

  // The id stands in every blob so that a wrong key is recognised: first octets of a SHA-256 over a label and the key.
  const Id& id() const { return id_; }
  BytesView octets() const { return key_.view(); }

 private:
  KeyEncryptionKey(SecretBytes key, const Id& id) : key_(std::move(key)), id_(id) {}
  SecretBytes key_;
  Id id_;
};

}  // namespace muster::ca
