// SPDX-License-Identifier: Apache-2.0
#include "ca/signer.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "ca/der_writer.h"
#include "ca/key_wrapping.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "core/encoding.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/openssl_ptr.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace tag = x509::tag;

namespace {

Error unavailable() { return Error{ErrorCode::kInternal, reasons::kSignerUnavailable, x509::take_openssl_error()}; }

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

struct TbsHead {
  BytesView algorithm;
  BytesView issuer;
};

// version [0], serialNumber, signature, issuer …
std::optional<TbsHead> head_of_certificate(BytesView der) {
  x509::DerReaderView outer{der};
  auto tbs = outer.enter(tag::kSequence);
  if (!tbs || !outer.at_end() || !tbs->read(tag::context_constructed(0)) || !tbs->read_integer()) return std::nullopt;
  const auto algorithm = tbs->read(tag::kSequence);
  const auto issuer = tbs->read(tag::kSequence);
  if (!algorithm || !issuer) return std::nullopt;
  return TbsHead{algorithm->whole, issuer->whole};
}

// version, signature, issuer …
std::optional<TbsHead> head_of_crl(BytesView der) {
  x509::DerReaderView outer{der};
  auto tbs = outer.enter(tag::kSequence);
  if (!tbs || !outer.at_end() || !tbs->read_integer()) return std::nullopt;
  const auto algorithm = tbs->read(tag::kSequence);
  const auto issuer = tbs->read(tag::kSequence);
  if (!algorithm || !issuer) return std::nullopt;
  return TbsHead{algorithm->whole, issuer->whole};
}

}  // namespace

struct Signer::Impl {
  struct LoadedKey {
    KeyOwner owner;
    x509::KeyAlgorithm algorithm;
    x509::EvpPkeyPtr key;
  };

  Impl(KeyEncryptionKey k, std::string d) : kek(std::move(k)), deployment(std::move(d)) {}

  std::shared_ptr<const LoadedKey> find(const IssuerId& issuer) const {
    const std::shared_lock lock{mutex};
    const auto found = keys.find(issuer);
    return found == keys.end() ? nullptr : found->second;
  }

  void keep(const KeyOwner& owner, x509::KeyAlgorithm algorithm, x509::EvpPkeyPtr key) {
    auto loaded = std::make_shared<const LoadedKey>(LoadedKey{owner, algorithm, std::move(key)});
    const std::unique_lock lock{mutex};
    keys.insert_or_assign(owner.issuer, std::move(loaded));
  }

  KeyBinding binding(const KeyOwner& owner, const KeyId& id, const Sha256& spki_sha256) const {
    return {deployment, owner.tenant, owner.issuer, id, spki_sha256};
  }

  Result<Bytes> sign(const SigningRequest& request, const std::optional<TbsHead>& head) const;

  const KeyEncryptionKey kek;
  const std::string deployment;
  mutable std::shared_mutex mutex;
  std::unordered_map<IssuerId, std::shared_ptr<const LoadedKey>> keys;  // guarded by mutex
};

Signer::Signer(KeyEncryptionKey kek, std::string deployment)
    : impl_(std::make_unique<Impl>(std::move(kek), std::move(deployment))) {}
Signer::~Signer() = default;

Result<GeneratedKey> Signer::generate(const KeyOwner& owner, x509::KeyAlgorithm algorithm) {
  const char* curve = algorithm == x509::KeyAlgorithm::kP384 ? "P-384" : "P-256";
  x509::EvpPkeyPtr key{EVP_EC_gen(curve)};
  if (!key) return unavailable();
  GeneratedKey generated;
  generated.id = KeyId::random();
  generated.spki = spki_of(key.get());
  const SecretBytes pkcs8 = pkcs8_of(key.get());
  if (generated.spki.empty() || pkcs8.size() == 0) return unavailable();
  generated.spki_sha256 = x509::sha256(generated.spki);
  const KeyBinding binding = impl_->binding(owner, generated.id, generated.spki_sha256);
  MUSTER_TRY(generated.wrapped, wrap_private_key(impl_->kek, binding, pkcs8.view()));
  impl_->keep(owner, algorithm == x509::KeyAlgorithm::kP384 ? algorithm : x509::KeyAlgorithm::kP256, std::move(key));
  return generated;
}

Result<void> Signer::load(const KeyOwner& owner, const StoredKey& stored) {
  const KeyBinding binding = impl_->binding(owner, stored.id, stored.spki_sha256);
  MUSTER_TRY(const SecretBytes pkcs8, unwrap_private_key(impl_->kek, binding, stored.wrapped));
  x509::EvpPkeyPtr key = parse_pkcs8(pkcs8.view());
  const Error mismatch{ErrorCode::kCorrupt, reasons::kKeyMismatch, {}};
  if (!key) return mismatch;
  const Bytes spki = spki_of(key.get());
  if (x509::sha256(spki) != stored.spki_sha256) return mismatch;
  MUSTER_TRY(const x509::PublicKey public_key, x509::PublicKey::parse(spki));
  impl_->keep(owner, public_key.algorithm(), std::move(key));
  return {};
}

void Signer::unload(const IssuerId& issuer) {
  const std::unique_lock lock{impl_->mutex};
  impl_->keys.erase(issuer);
}

std::string Signer::kek_id() const { return to_hex(impl_->kek.id()); }

bool Signer::is_loaded(const IssuerId& issuer) const { return impl_->find(issuer) != nullptr; }

Result<Bytes> Signer::Impl::sign(const SigningRequest& request, const std::optional<TbsHead>& head) const {
  const auto loaded = find(request.issuer);
  if (!loaded) return Error{ErrorCode::kFailedPrecondition, reasons::kSignerKeyNotLoaded, request.issuer.text()};
  const bool matches = head && loaded->owner.tenant == request.tenant &&
                       std::ranges::equal(head->issuer, loaded->owner.name) &&
                       std::ranges::equal(head->algorithm, signature_algorithm(loaded->algorithm));
  if (!matches) return Error{ErrorCode::kInternal, reasons::kSignerIssuerMismatch, request.issuer.text()};
  const EVP_MD* digest = loaded->algorithm == x509::KeyAlgorithm::kP384 ? EVP_sha384() : EVP_sha256();
  const x509::EvpMdCtxPtr context{EVP_MD_CTX_new()};
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(loaded->key.get())));
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, loaded->key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, request.tbs.data(), request.tbs.size()) != 1) {
    return unavailable();
  }
  signature.resize(size);
  return signature;
}

Result<Bytes> Signer::sign_certificate(const SigningRequest& request) const {
  return impl_->sign(request, head_of_certificate(request.tbs));
}

Result<Bytes> Signer::sign_crl(const SigningRequest& request) const {
  return impl_->sign(request, head_of_crl(request.tbs));
}

Result<Bytes> assemble_signed(BytesView tbs, BytesView signature) {
  auto head = head_of_certificate(tbs);
  if (!head) head = head_of_crl(tbs);
  if (!head) return Error{ErrorCode::kInternal, reasons::kLintMalformed, {}};
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.raw(tbs);
    writer.raw(head->algorithm);
    writer.bit_string(signature);
  });
  return writer.take();
}

}  // namespace muster::ca
