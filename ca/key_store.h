// SPDX-License-Identifier: Apache-2.0
//
// Purpose: where private keys of CAs live. Two stores, one contract (tests/contract/key_store_contract.h): blobs in the
// registry, wrapped by the key-encryption key (ca/encrypted_key_store.h), and a PKCS#11 token (ca/pkcs11_key_store.h).
// There is no export: a key is made or loaded, and only signatures come out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "x509/key_kind.h"

namespace muster::ca {

enum class KeyStoreKind : std::uint8_t { kFile, kPkcs11 };
std::string_view to_string(KeyStoreKind kind);  // as in the registry and server.toml: "file", "pkcs11"
std::optional<KeyStoreKind> parse_key_store_kind(std::string_view name);

// KeyOwner says whose key it is and under which name it signs.
struct KeyOwner {
  TenantId tenant;  // nil: the platform's own
  IssuerId issuer;
  Bytes name;  // the issuer's subject Name, DER
};

// GeneratedKey is what the registry must keep of a new key to find it again.
struct GeneratedKey {
  KeyId id;
  x509::KeyKind kind = x509::KeyKind::kP256;
  Bytes spki;
  Sha256 spki_sha256{};
  KeyStoreKind store = KeyStoreKind::kFile;
  std::string kek_id;     // file: lower-case hexadecimal
  Bytes wrapped;          // file: see ca/key_wrapping.h
  Bytes token_reference;  // pkcs11: CKA_ID of both halves
};

// StoredKey is the same, read from the registry.
struct StoredKey {
  KeyId id;
  Sha256 spki_sha256{};  // of the issuer's certificate, not of the row
  BytesView wrapped;
  KeyStoreKind store = KeyStoreKind::kFile;
  BytesView token_reference{};
};

// TokenKey is a key as the token itself names it.
struct TokenKey {
  Bytes reference;  // CKA_ID
  TenantId tenant;  // nil: the platform's own
  IssuerId issuer;
};

// SigningKey is the use of one private key. Thread-safe: several threads sign with one key, or with several, and do not
// wait for each other on our side.
class SigningKey {
 public:
  virtual ~SigningKey() = default;
  virtual x509::KeyAlgorithm algorithm() const = 0;
  // The contents of signatureValue over `message`, by the algorithm of ca/signature_algorithm.h.
  // Reasons: signer.unavailable, signer.token_unavailable (try again later).
  virtual Result<Bytes> sign(BytesView message) const = 0;
};

struct NewKey {
  GeneratedKey description;
  std::shared_ptr<const SigningKey> key;
};

// KeyStore is thread-safe.
class KeyStore {
 public:
  virtual ~KeyStore() = default;
  virtual KeyStoreKind kind() const = 0;
  // Makes a key pair. Reasons: key.algorithm_unavailable, signer.unavailable, signer.token_unavailable,
  // signer.token_pin_refused.
  virtual Result<NewKey> generate(const KeyOwner& owner, x509::KeyKind kind) = 0;
  // Reasons: key.unwrap_failed, kek.unknown (file), key.not_found, key.extractable (pkcs11), key.mismatch,
  // signer.token_unavailable. The private half was then used once and fits `spki_sha256`.
  virtual Result<std::shared_ptr<const SigningKey>> load(const KeyOwner& owner, const StoredKey& key) = 0;
  // Destroys what the store itself keeps of a key of `owner`; with the encrypted store that is nothing: the row is the
  // key. Idempotent. Reason: signer.token_unavailable.
  virtual Result<void> remove(const KeyOwner& owner, const StoredKey& key) = 0;
};

}  // namespace muster::ca
