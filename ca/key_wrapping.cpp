// SPDX-License-Identifier: Apache-2.0
#include "ca/key_wrapping.h"

#include <openssl/evp.h>

#include <algorithm>

#include "ca/reasons.h"
#include "core/random.h"
#include "x509/openssl_ptr.h"

namespace muster::ca {

namespace {

constexpr std::string_view kMagic = "MKEY";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kAes256Gcm = 1;
constexpr std::size_t kHeaderSize = 4 + 1 + 1 + 8;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kDataKeySize = 32;
constexpr std::size_t kMaxBlobSize = 16 * 1024;

void append(Bytes& out, BytesView more) { out.insert(out.end(), more.begin(), more.end()); }

Bytes header_of(const KeyEncryptionKey& kek) {
  Bytes header = to_bytes(kMagic);
  header.push_back(kVersion);
  header.push_back(kAes256Gcm);
  append(header, kek.id());
  return header;
}

Bytes associated_data(BytesView header, const KeyBinding& binding) {
  Bytes data(header.begin(), header.end());
  data.push_back(static_cast<std::uint8_t>(binding.deployment.size() >> 8));
  data.push_back(static_cast<std::uint8_t>(binding.deployment.size()));
  append(data, as_bytes(binding.deployment));
  append(data, binding.tenant.octets());
  append(data, binding.issuer.octets());
  append(data, binding.key.octets());
  append(data, binding.spki_sha256);
  return data;
}

// Appends nonce | ciphertext | tag. `key` is used for one message with a random nonce, or (the KEK) for few.
Result<void> seal(BytesView key, BytesView data, BytesView plain, Bytes& out) {
  const Bytes nonce = random_bytes(kNonceSize);
  Bytes cipher(plain.size());
  Bytes gcm_tag(kTagSize);
  int length = 0;
  const x509::EvpCipherCtxPtr context{EVP_CIPHER_CTX_new()};
  if (!context || EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()) != 1 ||
      EVP_EncryptUpdate(context.get(), nullptr, &length, data.data(), static_cast<int>(data.size())) != 1 ||
      EVP_EncryptUpdate(context.get(), cipher.data(), &length, plain.data(), static_cast<int>(plain.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), cipher.data() + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize, gcm_tag.data()) != 1) {
    return internal_error(x509::take_openssl_error());
  }
  append(out, nonce);
  append(out, cipher);
  append(out, gcm_tag);
  return {};
}

// `sealed` is nonce | ciphertext | tag. nullopt: not authentic.
std::optional<SecretBytes> open(BytesView key, BytesView data, BytesView sealed) {
  if (sealed.size() < kNonceSize + kTagSize) return std::nullopt;
  const BytesView nonce = sealed.first(kNonceSize);
  const BytesView cipher = sealed.subspan(kNonceSize, sealed.size() - kNonceSize - kTagSize);
  Bytes gcm_tag(sealed.end() - kTagSize, sealed.end());
  Bytes plain(cipher.size());
  int length = 0;
  const x509::EvpCipherCtxPtr context{EVP_CIPHER_CTX_new()};
  const bool authentic =
      context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &length, data.data(), static_cast<int>(data.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), plain.data(), &length, cipher.data(), static_cast<int>(cipher.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize, gcm_tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), plain.data() + length, &length) == 1;
  SecretBytes secret{std::move(plain)};
  if (!authentic) {
    x509::take_openssl_error();
    return std::nullopt;
  }
  return secret;
}

}  // namespace

std::optional<KeyEncryptionKey::Id> kek_id_of(BytesView blob) {
  constexpr std::size_t kIdAt = kHeaderSize - std::tuple_size_v<KeyEncryptionKey::Id>;
  if (blob.size() < kHeaderSize || as_text(blob.first(kMagic.size())) != kMagic) return std::nullopt;
  if (blob[kMagic.size()] != kVersion || blob[kMagic.size() + 1] != kAes256Gcm) return std::nullopt;
  KeyEncryptionKey::Id id;
  std::copy_n(blob.begin() + kIdAt, id.size(), id.begin());
  return id;
}

Result<Bytes> wrap_private_key(const KeyEncryptionKey& kek, const KeyBinding& binding, BytesView pkcs8) {
  Bytes blob = header_of(kek);
  const Bytes data = associated_data(blob, binding);
  const SecretBytes data_key{random_bytes(kDataKeySize)};
  MUSTER_TRY_VOID(seal(kek.octets(), data, data_key.view(), blob));
  MUSTER_TRY_VOID(seal(data_key.view(), data, pkcs8, blob));
  return blob;
}

Result<SecretBytes> unwrap_private_key(const KeyEncryptionKey& kek, const KeyBinding& binding, BytesView blob) {
  constexpr std::size_t kWrappedDataKey = kNonceSize + kDataKeySize + kTagSize;
  const Error failed{ErrorCode::kFailedPrecondition, reasons::kKeyUnwrapFailed, {}};
  const Bytes header = header_of(kek);
  if (blob.size() <= kHeaderSize + kWrappedDataKey || blob.size() > kMaxBlobSize) return failed;
  if (!std::ranges::equal(blob.first(kHeaderSize), header)) return failed;
  const Bytes data = associated_data(header, binding);
  const auto data_key = open(kek.octets(), data, blob.subspan(kHeaderSize, kWrappedDataKey));
  if (!data_key) return failed;
  auto pkcs8 = open(data_key->view(), data, blob.subspan(kHeaderSize + kWrappedDataKey));
  if (!pkcs8) return failed;
  return std::move(*pkcs8);
}

}  // namespace muster::ca
