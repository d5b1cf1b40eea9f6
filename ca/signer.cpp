// SPDX-License-Identifier: Apache-2.0
#include "ca/signer.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "ca/der_writer.h"
#include "ca/encrypted_key_store.h"
#include "ca/pkcs11_key_store.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "core/encoding.h"
#include "core/log.h"
#include "x509/der_reader.h"

namespace muster::ca {

namespace tag = x509::tag;

namespace {

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

// version, subject, subjectPKInfo, attributes [0] [RFC2986 4.1]
std::optional<BytesView> subject_of_request(BytesView der) {
  x509::DerReaderView outer{der};
  auto info = outer.enter(tag::kSequence);
  if (!info || !outer.at_end() || !info->read_integer()) return std::nullopt;
  const auto subject = info->read(tag::kSequence);
  if (!subject || !info->read(tag::kSequence) || !info->read(tag::context_constructed(0)) || !info->at_end()) {
    return std::nullopt;
  }
  return subject->whole;
}

}  // namespace

struct Signer::Impl {
  struct LoadedKey {
    KeyOwner owner;
    std::shared_ptr<const SigningKey> key;
  };

  Impl(KeyStoreConfig config, const std::string& deployment)
      : ring(std::move(config.key_ring)), preferred(config.store), file(ring, deployment) {
    if (config.token) token.emplace(std::move(*config.token), deployment);
  }

  // nullptr: not configured.
  KeyStore* store(KeyStoreKind kind) {
    if (kind == KeyStoreKind::kFile) return &file;
    return token ? &*token : nullptr;
  }

  std::shared_ptr<const LoadedKey> find(const IssuerId& issuer) const {
    const std::shared_lock lock{mutex};
    const auto found = keys.find(issuer);
    return found == keys.end() ? nullptr : found->second;
  }

  void keep(const KeyOwner& owner, std::shared_ptr<const SigningKey> key) {
    auto loaded = std::make_shared<const LoadedKey>(LoadedKey{owner, std::move(key)});
    const std::unique_lock lock{mutex};
    keys.insert_or_assign(owner.issuer, std::move(loaded));
  }

  Result<Bytes> sign(const SigningRequest& request, const std::optional<TbsHead>& head) const;

  const std::shared_ptr<KeyRing> ring;
  const KeyStoreKind preferred;
  EncryptedKeyStore file;
  std::optional<Pkcs11KeyStore> token;
  mutable std::shared_mutex mutex;
  std::unordered_map<IssuerId, std::shared_ptr<const LoadedKey>> keys;  // guarded by mutex
};

namespace {
Error not_configured(KeyStoreKind kind) {
  return {ErrorCode::kFailedPrecondition, reasons::kSignerStoreNotConfigured, std::string(to_string(kind))};
}
}  // namespace

Signer::Signer(KeyStoreConfig config, std::string deployment)
    : impl_(std::make_unique<Impl>(std::move(config), deployment)) {}
Signer::~Signer() = default;

Result<GeneratedKey> Signer::generate(const KeyOwner& owner, x509::KeyKind kind) {
  KeyStore* store = impl_->store(impl_->preferred);
  if (store == nullptr) return not_configured(impl_->preferred);
  MUSTER_TRY(NewKey made, store->generate(owner, kind));
  impl_->keep(owner, std::move(made.key));
  return std::move(made.description);
}

Result<void> Signer::load(const KeyOwner& owner, const StoredKey& stored) {
  KeyStore* store = impl_->store(stored.store);
  if (store == nullptr) return not_configured(stored.store);
  MUSTER_TRY(auto key, store->load(owner, stored));
  impl_->keep(owner, std::move(key));
  return {};
}

void Signer::unload(const IssuerId& issuer) {
  const std::unique_lock lock{impl_->mutex};
  impl_->keys.erase(issuer);
}

void Signer::discard(const IssuerId& issuer, const GeneratedKey& key) {
  const auto loaded = impl_->find(issuer);
  KeyStore* store = impl_->store(key.store);
  unload(issuer);
  if (store == nullptr || loaded == nullptr) return;
  const StoredKey stored{key.id, key.spki_sha256, key.wrapped, key.store, key.token_reference};
  const auto removed = store->remove(loaded->owner, stored);
  if (!removed.ok()) Log("signer").warning("key stays in the token", {{"error", to_log_text(removed.error())}});
}

bool Signer::is_loaded(const IssuerId& issuer) const { return impl_->find(issuer) != nullptr; }

Result<std::vector<TokenKey>> Signer::token_keys() const {
  if (!impl_->token) return std::vector<TokenKey>{};
  return impl_->token->list();
}

Result<void> Signer::remove_token_key(const TokenKey& key) const {
  if (!impl_->token) return not_configured(KeyStoreKind::kPkcs11);
  return impl_->token->remove(key);
}

std::string Signer::kek_id() const { return to_hex(impl_->ring->primary()->id()); }

KeyRing& Signer::key_ring() const { return *impl_->ring; }

Result<RewrappedKey> Signer::rewrap(const KeyOwner& owner, const StoredKey& key) const {
  const KeyRing::Key primary = impl_->ring->primary();
  MUSTER_TRY(Bytes wrapped, impl_->file.rewrap(owner, key, *primary));
  return RewrappedKey{to_hex(primary->id()), std::move(wrapped)};
}

Result<Bytes> Signer::Impl::sign(const SigningRequest& request, const std::optional<TbsHead>& head) const {
  const auto loaded = find(request.issuer);
  if (!loaded) return Error{ErrorCode::kFailedPrecondition, reasons::kSignerKeyNotLoaded, request.issuer.text()};
  const bool matches = head && loaded->owner.tenant == request.tenant &&
                       std::ranges::equal(head->issuer, loaded->owner.name) &&
                       std::ranges::equal(head->algorithm, signature_algorithm(loaded->key->algorithm()));
  if (!matches) return Error{ErrorCode::kInternal, reasons::kSignerIssuerMismatch, request.issuer.text()};
  return loaded->key->sign(request.tbs);
}

Result<Bytes> Signer::sign_certificate(const SigningRequest& request) const {
  return impl_->sign(request, head_of_certificate(request.tbs));
}

Result<Bytes> Signer::sign_crl(const SigningRequest& request) const {
  return impl_->sign(request, head_of_crl(request.tbs));
}

Result<Bytes> Signer::sign_request(const SigningRequest& request) const {
  const auto loaded = impl_->find(request.issuer);
  if (!loaded) return Error{ErrorCode::kFailedPrecondition, reasons::kSignerKeyNotLoaded, request.issuer.text()};
  const auto subject = subject_of_request(request.tbs);
  if (!subject) return Error{ErrorCode::kInternal, reasons::kSignerIssuerMismatch, request.issuer.text()};
  return impl_->sign(request, TbsHead{signature_algorithm(loaded->key->algorithm()), *subject});
}

Result<Bytes> assemble_signed(BytesView tbs, BytesView signature) {
  auto head = head_of_certificate(tbs);
  if (!head) head = head_of_crl(tbs);
  if (!head) return Error{ErrorCode::kInternal, reasons::kLintMalformed, {}};
  DerWriter writer;
  writer.reserve(tbs.size() + signature.size() + 64);
  writer.constructed(tag::kSequence, [&] {
    writer.raw(tbs);
    writer.raw(head->algorithm);
    writer.bit_string(signature);
  });
  return writer.take();
}

}  // namespace muster::ca
