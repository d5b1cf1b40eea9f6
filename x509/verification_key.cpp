// SPDX-License-Identifier: Apache-2.0
#include "x509/verification_key.h"

#include <openssl/objects.h>

#include "x509/openssl_ptr.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr int kMinLegacyBits = 1024;
constexpr int kMaxLegacyBits = 4096;

Error refuse(std::string_view reason) { return Error{ErrorCode::kInvalidArgument, reason, take_openssl_error()}; }

Result<std::shared_ptr<evp_pkey_st>> load_legacy(BytesView spki) {
  const std::uint8_t* at = spki.data();
  EvpPkeyPtr key{d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size()))};
  if (!key || at != spki.data() + spki.size()) return refuse(reasons::kKeyMalformed);
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_DSA) return refuse(reasons::kKeyAlgorithmUnsupported);
  const int bits = EVP_PKEY_get_bits(key.get());
  if (bits < kMinLegacyBits || bits > kMaxLegacyBits) return refuse(reasons::kKeySizeUnsupported);
  return std::shared_ptr<evp_pkey_st>{key.release(), &EVP_PKEY_free};
}

struct LegacyScheme {
  int digest = NID_undef;
  int key = NID_undef;
};

// The digest and the key kind that OpenSSL knows for an AlgorithmIdentifier; of digests SHA-1 and SHA-2 only.
std::optional<LegacyScheme> scheme_of(BytesView algorithm) {
  const std::uint8_t* at = algorithm.data();
  const std::unique_ptr<X509_ALGOR, OpenSslDelete<&X509_ALGOR_free>> parsed{
      d2i_X509_ALGOR(nullptr, &at, static_cast<long>(algorithm.size()))};
  if (!parsed) return std::nullopt;
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, parsed.get());
  LegacyScheme scheme;
  if (OBJ_find_sigid_algs(OBJ_obj2nid(object), &scheme.digest, &scheme.key) != 1) return std::nullopt;
  const bool known = scheme.digest == NID_sha1 || scheme.digest == NID_sha224 || scheme.digest == NID_sha256 ||
                     scheme.digest == NID_sha384 || scheme.digest == NID_sha512;
  return known ? std::optional(scheme) : std::nullopt;
}

}  // namespace

Result<VerificationKey> VerificationKey::parse(BytesView spki, const AlgorithmPolicy& policy) {
  auto key = PublicKey::parse(spki);
  if (key.ok()) {
    // An RSA key of today's sizes may have signed with SHA-1.
    if (!policy.allow_legacy || key->algorithm() != KeyAlgorithm::kRsa) return VerificationKey{std::move(*key)};
  } else if (!policy.allow_legacy) {
    return std::move(key).error();
  }
  MUSTER_TRY(auto legacy, load_legacy(spki));
  return VerificationKey{std::move(legacy)};
}

Result<void> VerificationKey::verify(BytesView signature_algorithm, BytesView message, BytesView signature) const {
  if (key_) return key_->verify(signature_algorithm, message, signature);
  const auto scheme = scheme_of(signature_algorithm);
  if (!scheme || EVP_PKEY_type(scheme->key) != EVP_PKEY_get_base_id(legacy_.get())) {
    return refuse(reasons::kSignatureAlgorithmUnsupported);
  }
  const EvpMdCtxPtr context{EVP_MD_CTX_new()};
  const EVP_MD* digest = EVP_get_digestbynid(scheme->digest);
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, legacy_.get()) != 1 ||
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) != 1) {
    return refuse(reasons::kSignatureInvalid);
  }
  return {};
}

}  // namespace muster::x509
