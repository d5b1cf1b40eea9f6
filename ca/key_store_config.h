// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "ca/key_encryption_key.h"
#include "ca/key_ring.h"
#include "ca/key_store.h"
#include "ca/pkcs11_config.h"

namespace muster::ca {

// KeyStoreConfig says which stores there are. Keys are found where their rows say; new ones are made in `store`.
struct KeyStoreConfig {
  // NOLINTBEGIN(google-explicit-constructor): a key ring, or one key, is the whole configuration of most deployments.
  KeyStoreConfig(std::shared_ptr<KeyRing> ring) : key_ring(std::move(ring)) {}
  KeyStoreConfig(KeyEncryptionKey key) : key_ring(KeyRing::of(std::move(key))) {}
  // NOLINTEND(google-explicit-constructor)

  std::shared_ptr<KeyRing> key_ring;
  KeyStoreKind store = KeyStoreKind::kFile;
  std::optional<Pkcs11Config> token;  // needed where store is kPkcs11; kept with kFile for keys made there earlier
};

}  // namespace muster::ca
