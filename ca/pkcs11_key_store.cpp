// SPDX-License-Identifier: Apache-2.0
#include "ca/pkcs11_key_store.h"

#include <mutex>

#include "ca/pkcs11_objects.h"
#include "ca/pkcs11_token.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "x509/public_key.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace {

using Session = Pkcs11Token::Session;

// Signed once when a key is found: no TBS begins like this.
constexpr std::string_view kProof = "muster: this key fits its certificate";

class Pkcs11Key final : public SigningKey {
 public:
  Pkcs11Key(std::shared_ptr<Pkcs11Token> token, TokenKeyName name, x509::PublicKey public_key, const Sha256& spki)
      : token_(std::move(token)), name_(std::move(name)), public_key_(std::move(public_key)), spki_sha256_(spki) {}

  x509::KeyAlgorithm algorithm() const override { return public_key_.algorithm(); }

  Result<Bytes> sign(BytesView message) const override {
    return token_->run([&](Session& session) -> Result<Bytes> {
      MUSTER_TRY(const CK_OBJECT_HANDLE handle, locate(session));
      return sign_with_token(session, handle, algorithm(), message);
    });
  }

  // Takes the pair only if its private half cannot leave, fits the public one, and that is the expected one.
  Result<void> adopt(Session& session, const TokenKeyPair& pair) const {
    MUSTER_TRY_VOID(require_captive(session, pair.private_half));
    MUSTER_TRY(const Bytes spki, read_spki(session, pair.public_half));
    const Error mismatch{ErrorCode::kCorrupt, reasons::kKeyMismatch, {}};
    if (x509::sha256(spki) != spki_sha256_) return mismatch;
    MUSTER_TRY(const Bytes proof, sign_with_token(session, pair.private_half, algorithm(), as_bytes(kProof)));
    if (!public_key_.verify(signature_algorithm(algorithm()), as_bytes(kProof), proof).ok()) return mismatch;
    const std::lock_guard lock{mutex_};
    handle_ = pair.private_half;
    connection_ = session.connection();
    return {};
  }

 private:
  Result<CK_OBJECT_HANDLE> locate(Session& session) const {
    {
      const std::lock_guard lock{mutex_};
      if (connection_ == session.connection()) return handle_;
    }
    MUSTER_TRY(const TokenKeyPair pair, find_pair(session, name_));
    MUSTER_TRY_VOID(adopt(session, pair));
    return pair.private_half;
  }

  const std::shared_ptr<Pkcs11Token> token_;
  const TokenKeyName name_;
  const x509::PublicKey public_key_;
  const Sha256 spki_sha256_;
  mutable std::mutex mutex_;  // of this key alone, held for two words
  mutable CK_OBJECT_HANDLE handle_ = 0;
  mutable std::uint64_t connection_ = 0;  // under which handle_ was found; 0: not yet
};

Result<std::shared_ptr<Pkcs11Key>> adopt(const std::shared_ptr<Pkcs11Token>& token, Session& session,
                                         const TokenKeyName& name, const TokenKeyPair& pair, const Sha256& expected) {
  MUSTER_TRY(const Bytes spki, read_spki(session, pair.public_half));
  auto public_key = x509::PublicKey::parse(spki);
  if (!public_key.ok()) return Error{ErrorCode::kCorrupt, reasons::kKeyMismatch, to_log_text(public_key.error())};
  auto key = std::make_shared<Pkcs11Key>(token, name, std::move(public_key).value(), expected);
  MUSTER_TRY_VOID(key->adopt(session, pair));
  return key;
}

}  // namespace

Pkcs11KeyStore::Pkcs11KeyStore(Pkcs11Config config, std::string deployment)
    : token_(std::make_shared<Pkcs11Token>(std::move(config))), deployment_(std::move(deployment)) {}
Pkcs11KeyStore::~Pkcs11KeyStore() = default;

std::string Pkcs11KeyStore::label(const KeyOwner& owner) const {
  return "muster " + deployment_ + " " + owner.tenant.text() + " " + owner.issuer.text();
}

Result<NewKey> Pkcs11KeyStore::generate(const KeyOwner& owner, x509::KeyKind kind) {
  return token_->run([&](Session& session) -> Result<NewKey> {
    // A new id for each attempt: one that was lost may have left a pair under its own.
    NewKey made;
    GeneratedKey& description = made.description;
    description.id = KeyId::random();
    description.kind = kind;
    description.store = KeyStoreKind::kPkcs11;
    const auto& id = description.id.octets();
    description.token_reference.assign(id.begin(), id.end());
    const TokenKeyName name{description.token_reference, label(owner)};
    MUSTER_TRY(const TokenKeyPair pair, generate_pair(session, name, kind));
    auto spki = read_spki(session, pair.public_half);
    if (spki.ok()) {
      description.spki = std::move(spki).value();
      description.spki_sha256 = x509::sha256(description.spki);
      auto key = adopt(token_, session, name, pair, description.spki_sha256);
      if (key.ok()) {
        made.key = std::move(key).value();
        return made;
      }
      spki = std::move(key).error();
    }
    destroy_pair(session, name).ok();  // it is of no use to anybody; where it stays, nothing names it
    return std::move(spki).error();
  });
}

Result<std::shared_ptr<const SigningKey>> Pkcs11KeyStore::load(const KeyOwner& owner, const StoredKey& stored) {
  using Loaded = Result<std::shared_ptr<const SigningKey>>;
  const TokenKeyName name{Bytes(stored.token_reference.begin(), stored.token_reference.end()), label(owner)};
  return token_->run([&](Session& session) -> Loaded {
    MUSTER_TRY(const TokenKeyPair pair, find_pair(session, name));
    MUSTER_TRY(auto key, adopt(token_, session, name, pair, stored.spki_sha256));
    return std::shared_ptr<const SigningKey>(std::move(key));
  });
}

Result<void> Pkcs11KeyStore::remove(const KeyOwner& owner, const StoredKey& stored) {
  const TokenKeyName name{Bytes(stored.token_reference.begin(), stored.token_reference.end()), label(owner)};
  return token_->run([&](Session& session) { return destroy_pair(session, name); });
}

Result<void> Pkcs11KeyStore::remove(const TokenKey& key) {
  const TokenKeyName name{key.reference, label({key.tenant, key.issuer, {}})};
  return token_->run([&](Session& session) { return destroy_pair(session, name); });
}

Result<std::vector<TokenKey>> Pkcs11KeyStore::list() {
  const std::string prefix = "muster " + deployment_ + " ";
  MUSTER_TRY(const auto names, token_->run([&](Session& session) { return list_keys(session, prefix); }));
  std::vector<TokenKey> keys;
  for (const TokenKeyName& name : names) {
    const std::string_view owner = std::string_view(name.label).substr(prefix.size());
    const std::size_t space = owner.find(' ');
    const auto tenant = TenantId::parse(owner.substr(0, space));
    const auto issuer = IssuerId::parse(space == std::string_view::npos ? owner : owner.substr(space + 1));
    if (tenant.ok() && issuer.ok()) keys.push_back({name.id, *tenant, *issuer});
  }
  return keys;
}

}  // namespace muster::ca
