// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "ca/key_ring.h"
#include "ca/key_store.h"

namespace muster::ca {

// EncryptedKeyStore makes keys in this process and hands them out wrapped (ca/key_wrapping.h); whoever keeps the blob
// keeps the key. Thread-safe.
class EncryptedKeyStore final : public KeyStore {
 public:
  EncryptedKeyStore(std::shared_ptr<KeyRing> ring, std::string deployment)
      : ring_(std::move(ring)), deployment_(std::move(deployment)) {}

  KeyStoreKind kind() const override { return KeyStoreKind::kFile; }
  Result<NewKey> generate(const KeyOwner& owner, x509::KeyKind kind) override;
  Result<std::shared_ptr<const SigningKey>> load(const KeyOwner& owner, const StoredKey& key) override;
  Result<void> remove(const KeyOwner&, const StoredKey&) override { return {}; }

  // The blob under the primary key-encryption key; the new blob was opened again before it is returned.
  // Reasons: key.unwrap_failed, kek.unknown.
  Result<Bytes> rewrap(const KeyOwner& owner, const StoredKey& key, const KeyEncryptionKey& primary) const;

 private:
  const std::shared_ptr<KeyRing> ring_;
  const std::string deployment_;
};

}  // namespace muster::ca
