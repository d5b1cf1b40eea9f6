// SPDX-License-Identifier: Apache-2.0
#include "ca/heartbeat_key.h"

#include <openssl/evp.h>

#include <utility>

#include "ca/key_wrapping.h"
#include "ca/reasons.h"
#include "core/encoding.h"
#include "core/random.h"
#include "core/secret_bytes.h"
#include "x509/openssl_ptr.h"
#include "x509/sha256.h"

namespace muster::ca {
namespace {

constexpr std::size_t kSeedSize = 32;  // the private key of RFC 8032 §5.1.5
constexpr std::size_t kPublicSize = 32;
constexpr std::size_t kSignatureSize = 64;

KeyBinding binding_of(const std::string& deployment, const KeyId& id, BytesView public_key) {
  return {deployment, {}, {}, id, x509::sha256(public_key)};
}

x509::EvpPkeyPtr key_of(BytesView seed) {
  return x509::EvpPkeyPtr(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
}

Result<Bytes> public_of(const EVP_PKEY* key) {
  Bytes octets(kPublicSize);
  std::size_t size = octets.size();
  if (!key || EVP_PKEY_get_raw_public_key(key, octets.data(), &size) != 1 || size != kPublicSize) {
    return internal_error("OpenSSL gave no Ed25519 key");
  }
  return octets;
}

}  // namespace

struct HeartbeatKey::Impl {
  KeyId id;
  Bytes public_key;
  SecretBytes seed;
  x509::EvpPkeyPtr key;
};

HeartbeatKey::HeartbeatKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HeartbeatKey::~HeartbeatKey() = default;
HeartbeatKey::HeartbeatKey(HeartbeatKey&&) noexcept = default;
HeartbeatKey& HeartbeatKey::operator=(HeartbeatKey&&) noexcept = default;

Result<WrappedHeartbeatKey> HeartbeatKey::make(const KeyEncryptionKey& kek, const std::string& deployment) {
  auto impl = std::make_unique<Impl>();
  impl->id = KeyId::random();
  impl->seed = SecretBytes(random_bytes(kSeedSize));
  impl->key = key_of(impl->seed.view());
  MUSTER_TRY(impl->public_key, public_of(impl->key.get()));
  return HeartbeatKey(std::move(impl)).wrap(kek, deployment);
}

Result<WrappedHeartbeatKey> HeartbeatKey::wrap(const KeyEncryptionKey& kek, const std::string& deployment) const {
  const KeyBinding binding = binding_of(deployment, impl_->id, impl_->public_key);
  MUSTER_TRY(Bytes blob, wrap_private_key(kek, binding, impl_->seed.view()));
  return WrappedHeartbeatKey{impl_->id, impl_->public_key, to_hex(kek.id()), std::move(blob)};
}

Result<HeartbeatKey> HeartbeatKey::open(KeyRing& ring, const std::string& deployment, const WrappedHeartbeatKey& key) {
  const auto kek_id = kek_id_of(key.blob);
  const auto kek = kek_id ? ring.find(*kek_id) : nullptr;
  if (!kek) return Error{ErrorCode::kFailedPrecondition, reasons::kKekUnknown, "the heartbeat key's"};
  auto impl = std::make_unique<Impl>();
  impl->id = key.id;
  MUSTER_TRY(impl->seed, unwrap_private_key(*kek, binding_of(deployment, key.id, key.public_key), key.blob));
  impl->key = key_of(impl->seed.view());
  MUSTER_TRY(impl->public_key, public_of(impl->key.get()));
  if (impl->public_key != key.public_key) return internal_error("the heartbeat key is another one");
  return HeartbeatKey(std::move(impl));
}

Result<Bytes> HeartbeatKey::sign(BytesView message) const {
  Bytes signature(kSignatureSize);
  std::size_t size = signature.size();
  const x509::EvpMdCtxPtr context(EVP_MD_CTX_new());
  const bool made = context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1 &&
                    EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
  if (!made || size != kSignatureSize) return internal_error("OpenSSL made no Ed25519 signature");
  return signature;
}

}  // namespace muster::ca
