// SPDX-License-Identifier: Apache-2.0
#include "x509/public_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <bit>

#include "x509/der_reader.h"
#include "x509/key_kind.h"
#include "x509/oids.h"
#include "x509/openssl_ptr.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr unsigned kMinRsaBits = 2048;
constexpr unsigned kMaxRsaBits = 4096;  // verification cost grows with the square: 16384 bits is an attack
constexpr unsigned kMaxExponentBits = 256;
constexpr std::size_t kEd25519Octets = 32;

// Verification costs by measuring; see PublicKey::verification_cost.
constexpr unsigned kP256Cost = 1;
constexpr unsigned kP384Cost = 10;  // OpenSSL 3.0 has no fast code for it
constexpr unsigned kEd25519Cost = 2;
constexpr unsigned kMlDsaCost = 4;

struct MlDsa {
  BytesView oid;
  KeyAlgorithm algorithm;
  std::size_t octets;  // of the encoded public key [FIPS204 table 2]
};
constexpr MlDsa kMlDsa[] = {{oid::kMlDsa44, KeyAlgorithm::kMlDsa44, 1312},
                            {oid::kMlDsa65, KeyAlgorithm::kMlDsa65, 1952},
                            {oid::kMlDsa87, KeyAlgorithm::kMlDsa87, 2592}};

struct Spki {
  BytesView algorithm;                       // OID contents
  std::optional<DerElementView> parameters;  // absent for Ed25519
  BytesView key;                             // BIT STRING without its first octet
};

Error refuse(std::string_view reason, std::string detail = {}) {
  return Error{ErrorCode::kInvalidArgument, reason, std::move(detail)};
}

std::optional<Spki> read_spki(BytesView der) {
  DerReaderView outer{der};
  auto body = outer.enter(tag::kSequence);
  if (!body || !outer.at_end()) return std::nullopt;
  auto algorithm = body->enter(tag::kSequence);
  if (!algorithm) return std::nullopt;
  const auto oid = algorithm->read(tag::kOid);
  if (!oid) return std::nullopt;
  Spki spki;
  spki.algorithm = oid->contents;
  if (!algorithm->at_end()) {
    spki.parameters = algorithm->read_any();
    if (!spki.parameters || !algorithm->at_end()) return std::nullopt;
  }
  const auto key = body->read_octet_bits();
  if (!key || !body->at_end()) return std::nullopt;
  spki.key = *key;
  return spki;
}

struct Curve {
  KeyAlgorithm algorithm;
  unsigned bits;
};

std::optional<Curve> curve_of(const Spki& spki) {
  // Only named curves: explicit parameters let a certificate choose its own generator (CVE-2020-0601).
  if (!spki.parameters || spki.parameters->tag != tag::kOid) return std::nullopt;
  if (oid::equals(spki.parameters->contents, oid::kP256)) return Curve{KeyAlgorithm::kP256, 256};
  if (oid::equals(spki.parameters->contents, oid::kP384)) return Curve{KeyAlgorithm::kP384, 384};
  return std::nullopt;
}

EvpPkeyPtr make_parameters(const char* group) {
  const EvpPkeyCtxPtr context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(group), 0),
                             OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEY_PARAMETERS, parameters) != 1) {
    return nullptr;
  }
  return EvpPkeyPtr{key};
}

// A key without a point, to be copied: making the group anew would cost a quarter of a verification.
const EVP_PKEY* parameters_of(const Curve& curve) {
  static const EvpPkeyPtr p256 = make_parameters("prime256v1");
  static const EvpPkeyPtr p384 = make_parameters("secp384r1");
  return curve.algorithm == KeyAlgorithm::kP256 ? p256.get() : p384.get();
}

// OpenSSL checks here that the point lies on the curve.
EvpPkeyPtr load_point(const Curve& curve, BytesView point) {
  EvpPkeyPtr key{EVP_PKEY_new()};
  const EVP_PKEY* parameters = parameters_of(curve);
  if (!key || parameters == nullptr || EVP_PKEY_copy_parameters(key.get(), parameters) != 1 ||
      EVP_PKEY_set1_encoded_public_key(key.get(), point.data(), point.size()) != 1) {
    return nullptr;
  }
  return key;
}

// The point's octets, where the curve is one of ours and they have its form.
Result<BytesView> read_point(const Spki& spki, const std::optional<Curve>& curve) {
  if (!curve) return refuse(reasons::kKeyAlgorithmUnsupported);
  const std::size_t coordinate = curve->bits / 8;
  if (spki.key.size() != 1 + 2 * coordinate || spki.key[0] != 0x04) return refuse(reasons::kKeyPointInvalid);
  return spki.key;
}

bool lies_on_curve(const Curve& curve, BytesView octets) {
  static const EcGroupPtr p256{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
  static const EcGroupPtr p384{EC_GROUP_new_by_curve_name(NID_secp384r1)};
  const EC_GROUP* group = curve.algorithm == KeyAlgorithm::kP256 ? p256.get() : p384.get();
  const EcPointPtr point{group == nullptr ? nullptr : EC_POINT_new(group)};
  return point && EC_POINT_oct2point(group, point.get(), octets.data(), octets.size(), nullptr) == 1;
}

// Bits of a positive minimal INTEGER.
unsigned bit_length(BytesView integer) {
  if (integer[0] == 0) integer = integer.subspan(1);
  if (integer.empty()) return 0;
  return static_cast<unsigned>(8 * (integer.size() - 1)) + static_cast<unsigned>(std::bit_width(integer[0]));
}

struct RsaSize {
  unsigned modulus_bits = 0;
  unsigned exponent_bits = 0;
};

// One squaring of the modulus' size an exponent bit.
unsigned rsa_cost(const RsaSize& size) {
  constexpr std::uint64_t kAsOneOfP256 = 300'000'000;
  const std::uint64_t work = std::uint64_t{size.modulus_bits} * size.modulus_bits * size.exponent_bits;
  return static_cast<unsigned>(work / kAsOneOfP256 + 1);
}

// Returns the sizes, or the reason why the RSAPublicKey (RFC 8017 §A.1.1) is refused.
Result<RsaSize> check_rsa(const Spki& spki) {
  if (!spki.parameters || spki.parameters->tag != tag::kNull || !spki.parameters->contents.empty()) {
    return refuse(reasons::kKeyMalformed);
  }
  DerReaderView outer{spki.key};
  auto body = outer.enter(tag::kSequence);
  if (!body || !outer.at_end()) return refuse(reasons::kKeyMalformed);
  const auto modulus = body->read_integer();
  const auto exponent = body->read_integer();
  if (!modulus || !exponent || !body->at_end()) return refuse(reasons::kKeyMalformed);
  const bool negative = ((*modulus)[0] & 0x80) != 0 || ((*exponent)[0] & 0x80) != 0;
  if (negative) return refuse(reasons::kKeyMalformed);
  const unsigned bits = bit_length(*modulus);
  if (bits < kMinRsaBits || bits > kMaxRsaBits) return refuse(reasons::kKeySizeUnsupported, std::to_string(bits));
  const unsigned exponent_bits = bit_length(*exponent);
  const bool odd = (exponent->back() & 1) != 0;
  // An odd number of 17 bits or more is at least 65537.
  if (!odd || exponent_bits < 17 || exponent_bits > kMaxExponentBits) return refuse(reasons::kKeyExponentUnsupported);
  return RsaSize{bits, exponent_bits};
}

struct SignatureScheme {
  BytesView oid;
  KeyAlgorithm first, second;  // key kinds it fits
  const EVP_MD* (*digest)();   // nullptr: the scheme hashes itself
  bool null_parameters;        // RSA algorithms carry NULL, the others nothing [RFC4055 5, RFC5758 3.2, RFC8410 3]
};

const SignatureScheme* scheme_of(BytesView algorithm) {
  static const SignatureScheme kSchemes[] = {
      {oid::kEcdsaSha256, KeyAlgorithm::kP256, KeyAlgorithm::kP384, &EVP_sha256, false},
      {oid::kEcdsaSha384, KeyAlgorithm::kP256, KeyAlgorithm::kP384, &EVP_sha384, false},
      {oid::kEcdsaSha512, KeyAlgorithm::kP256, KeyAlgorithm::kP384, &EVP_sha512, false},
      {oid::kRsaSha256, KeyAlgorithm::kRsa, KeyAlgorithm::kRsa, &EVP_sha256, true},
      {oid::kRsaSha384, KeyAlgorithm::kRsa, KeyAlgorithm::kRsa, &EVP_sha384, true},
      {oid::kRsaSha512, KeyAlgorithm::kRsa, KeyAlgorithm::kRsa, &EVP_sha512, true},
      {oid::kEd25519, KeyAlgorithm::kEd25519, KeyAlgorithm::kEd25519, nullptr, false},
      {oid::kMlDsa44, KeyAlgorithm::kMlDsa44, KeyAlgorithm::kMlDsa44, nullptr, false},
      {oid::kMlDsa65, KeyAlgorithm::kMlDsa65, KeyAlgorithm::kMlDsa65, nullptr, false},
      {oid::kMlDsa87, KeyAlgorithm::kMlDsa87, KeyAlgorithm::kMlDsa87, nullptr, false},
  };
  DerReaderView outer{algorithm};
  auto body = outer.enter(tag::kSequence);
  if (!body || !outer.at_end()) return nullptr;
  const auto oid = body->read(tag::kOid);
  if (!oid) return nullptr;
  const auto null = body->read(tag::kNull);
  if (!body->at_end() || (null && !null->contents.empty())) return nullptr;
  for (const SignatureScheme& scheme : kSchemes) {
    if (oid::equals(scheme.oid, oid->contents)) return scheme.null_parameters == null.has_value() ? &scheme : nullptr;
  }
  return nullptr;
}

// Only the length is checked before OpenSSL sees the key: every string of it is a key [FIPS204 7.2].
Result<EvpPkeyPtr> load_ml_dsa(const MlDsa& kind, const Spki& spki) {
  if (spki.parameters || spki.key.size() != kind.octets) return refuse(reasons::kKeyMalformed);
  MUSTER_TRY_VOID(require_available(kind.algorithm));
  EvpPkeyPtr key{
      EVP_PKEY_new_raw_public_key_ex(nullptr, ml_dsa_name(kind.algorithm), nullptr, spki.key.data(), spki.key.size())};
  if (!key) return refuse(reasons::kKeyMalformed, take_openssl_error());
  return key;
}

}  // namespace

Result<PublicKey> PublicKey::parse(BytesView spki_der) {
  const auto spki = read_spki(spki_der);
  if (!spki) return refuse(reasons::kKeyMalformed);
  if (oid::equals(spki->algorithm, oid::kEcPublicKey)) {
    const auto curve = curve_of(*spki);
    MUSTER_TRY(const BytesView point, read_point(*spki, curve));
    EvpPkeyPtr key = load_point(*curve, point);
    if (!key) return refuse(reasons::kKeyPointInvalid, take_openssl_error());
    const unsigned cost = curve->algorithm == KeyAlgorithm::kP256 ? kP256Cost : kP384Cost;
    return PublicKey{{key.release(), &EVP_PKEY_free}, curve->algorithm, curve->bits, cost};
  }
  if (oid::equals(spki->algorithm, oid::kEd25519)) {
    if (spki->parameters || spki->key.size() != kEd25519Octets) return refuse(reasons::kKeyMalformed);
    EvpPkeyPtr key{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, spki->key.data(), spki->key.size())};
    if (!key) return refuse(reasons::kKeyMalformed, take_openssl_error());
    return PublicKey{{key.release(), &EVP_PKEY_free}, KeyAlgorithm::kEd25519, 256, kEd25519Cost};
  }
  for (const MlDsa& kind : kMlDsa) {
    if (!oid::equals(spki->algorithm, kind.oid)) continue;
    MUSTER_TRY(EvpPkeyPtr key, load_ml_dsa(kind, *spki));
    return PublicKey{
        {key.release(), &EVP_PKEY_free}, kind.algorithm, static_cast<unsigned>(8 * kind.octets), kMlDsaCost};
  }
  if (!oid::equals(spki->algorithm, oid::kRsaEncryption)) return refuse(reasons::kKeyAlgorithmUnsupported);
  MUSTER_TRY(const RsaSize size, check_rsa(*spki));
  const std::uint8_t* at = spki_der.data();
  EvpPkeyPtr key{d2i_PUBKEY(nullptr, &at, static_cast<long>(spki_der.size()))};
  if (!key) return refuse(reasons::kKeyMalformed, take_openssl_error());
  return PublicKey{{key.release(), &EVP_PKEY_free}, KeyAlgorithm::kRsa, size.modulus_bits, rsa_cost(size)};
}

Result<void> PublicKey::check(BytesView spki_der) {
  const auto spki = read_spki(spki_der);
  if (spki && oid::equals(spki->algorithm, oid::kEcPublicKey)) {
    const auto curve = curve_of(*spki);
    MUSTER_TRY(const BytesView point, read_point(*spki, curve));
    if (lies_on_curve(*curve, point)) return {};
    return refuse(reasons::kKeyPointInvalid, take_openssl_error());
  }
  MUSTER_TRY_VOID(parse(spki_der));
  return {};
}

Result<void> PublicKey::verify(BytesView signature_algorithm, BytesView message, BytesView signature) const {
  const SignatureScheme* scheme = scheme_of(signature_algorithm);
  if (scheme == nullptr || (algorithm_ != scheme->first && algorithm_ != scheme->second)) {
    return refuse(reasons::kSignatureAlgorithmUnsupported);
  }
  const EvpMdCtxPtr context{EVP_MD_CTX_new()};
  const EVP_MD* digest = scheme->digest == nullptr ? nullptr : scheme->digest();
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) != 1 ||
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) != 1) {
    return refuse(reasons::kSignatureInvalid, take_openssl_error());
  }
  return {};
}

}  // namespace muster::x509
