// SPDX-License-Identifier: Apache-2.0
#include "ca/encrypted_key_store.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "ca/key_wrapping.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "core/encoding.h"
#include "x509/openssl_ptr.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace {

Error unavailable() { return {ErrorCode::kInternal, reasons::kSignerUnavailable, x509::take_openssl_error()}; }

x509::EvpPkeyPtr make_key(x509::KeyKind kind) {
  switch (kind) {
    case x509::KeyKind::kP256: return x509::EvpPkeyPtr{EVP_EC_gen("P-256")};
    case x509::KeyKind::kP384: return x509::EvpPkeyPtr{EVP_EC_gen("P-384")};
    case x509::KeyKind::kEd25519: return x509::EvpPkeyPtr{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    case x509::KeyKind::kRsa2048:
    case x509::KeyKind::kRsa3072:
    case x509::KeyKind::kRsa4096: return x509::EvpPkeyPtr{EVP_RSA_gen(x509::rsa_bits(kind))};
    case x509::KeyKind::kMlDsa44:
    case x509::KeyKind::kMlDsa65:
    case x509::KeyKind::kMlDsa87: break;
  }
  return x509::EvpPkeyPtr{EVP_PKEY_Q_keygen(nullptr, nullptr, x509::ml_dsa_name(x509::algorithm_of(kind)))};
}

Bytes spki_of(EVP_PKEY* key) {
  std::uint8_t* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return {};
  Bytes spki(der, der + size);
  OPENSSL_free(der);
  return spki;
}

SecretBytes pkcs8_of(EVP_PKEY* key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  if (info == nullptr) return {};
  std::uint8_t* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  if (size <= 0) return {};
  SecretBytes secret{Bytes(der, der + size)};
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return secret;
}

x509::EvpPkeyPtr parse_pkcs8(BytesView der) {
  const std::uint8_t* at = der.data();
  PKCS8_PRIV_KEY_INFO* info = d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size()));
  if (info == nullptr) return nullptr;
  x509::EvpPkeyPtr key{EVP_PKCS82PKEY(info)};
  PKCS8_PRIV_KEY_INFO_free(info);
  return key;
}

class OpenSslKey final : public SigningKey {
 public:
  OpenSslKey(x509::EvpPkeyPtr key, x509::KeyAlgorithm algorithm) : key_(std::move(key)), algorithm_(algorithm) {}
  x509::KeyAlgorithm algorithm() const override { return algorithm_; }

  Result<Bytes> sign(BytesView message) const override {
    const x509::EvpMdCtxPtr context{EVP_MD_CTX_new()};
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
    std::size_t size = signature.size();
    const EVP_MD* digest = signature_digest(algorithm_);
    if (!context || EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
      return unavailable();
    }
    signature.resize(size);
    return signature;
  }

 private:
  const x509::EvpPkeyPtr key_;
  const x509::KeyAlgorithm algorithm_;
};

KeyBinding binding(const std::string& deployment, const KeyOwner& owner, const KeyId& id, const Sha256& spki_sha256) {
  return {deployment, owner.tenant, owner.issuer, id, spki_sha256};
}

Result<KeyRing::Key> key_of_blob(KeyRing& ring, BytesView blob) {
  const auto id = kek_id_of(blob);
  if (!id) return Error{ErrorCode::kFailedPrecondition, reasons::kKeyUnwrapFailed, "not a wrapped key"};
  KeyRing::Key key = ring.find(*id);
  if (!key) return Error{ErrorCode::kFailedPrecondition, reasons::kKekUnknown, to_hex(*id)};
  return key;
}

}  // namespace

Result<NewKey> EncryptedKeyStore::generate(const KeyOwner& owner, x509::KeyKind kind) {
  const x509::KeyAlgorithm algorithm = x509::algorithm_of(kind);
  MUSTER_TRY_VOID(x509::require_available(algorithm));
  x509::EvpPkeyPtr key = make_key(kind);
  if (!key) return unavailable();
  NewKey made;
  GeneratedKey& description = made.description;
  description.id = KeyId::random();
  description.kind = kind;
  description.spki = spki_of(key.get());
  const SecretBytes pkcs8 = pkcs8_of(key.get());
  if (description.spki.empty() || pkcs8.size() == 0) return unavailable();
  description.spki_sha256 = x509::sha256(description.spki);
  const KeyRing::Key primary = ring_->primary();
  MUSTER_TRY(
      description.wrapped,
      wrap_private_key(*primary, binding(deployment_, owner, description.id, description.spki_sha256), pkcs8.view()));
  description.kek_id = to_hex(primary->id());
  made.key = std::make_shared<OpenSslKey>(std::move(key), algorithm);
  return made;
}

Result<std::shared_ptr<const SigningKey>> EncryptedKeyStore::load(const KeyOwner& owner, const StoredKey& stored) {
  MUSTER_TRY(const KeyRing::Key kek, key_of_blob(*ring_, stored.wrapped));
  const KeyBinding where = binding(deployment_, owner, stored.id, stored.spki_sha256);
  MUSTER_TRY(const SecretBytes pkcs8, unwrap_private_key(*kek, where, stored.wrapped));
  x509::EvpPkeyPtr key = parse_pkcs8(pkcs8.view());
  const Error mismatch{ErrorCode::kCorrupt, reasons::kKeyMismatch, {}};
  if (!key) return mismatch;
  const Bytes spki = spki_of(key.get());
  if (x509::sha256(spki) != stored.spki_sha256) return mismatch;
  MUSTER_TRY(const x509::PublicKey public_key, x509::PublicKey::parse(spki));
  return std::shared_ptr<const SigningKey>(std::make_shared<OpenSslKey>(std::move(key), public_key.algorithm()));
}

Result<Bytes> EncryptedKeyStore::rewrap(const KeyOwner& owner, const StoredKey& stored,
                                        const KeyEncryptionKey& primary) const {
  MUSTER_TRY(const KeyRing::Key kek, key_of_blob(*ring_, stored.wrapped));
  const KeyBinding where = binding(deployment_, owner, stored.id, stored.spki_sha256);
  MUSTER_TRY(const SecretBytes pkcs8, unwrap_private_key(*kek, where, stored.wrapped));
  MUSTER_TRY(Bytes blob, wrap_private_key(primary, where, pkcs8.view()));
  // The old blob is about to be overwritten: what cannot be opened must not replace it.
  MUSTER_TRY(const SecretBytes again, unwrap_private_key(primary, where, blob));
  if (!std::ranges::equal(again.view(), pkcs8.view())) return internal_error("a wrapped key opened to other octets");
  return blob;
}

}  // namespace muster::ca
