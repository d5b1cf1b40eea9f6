// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "core/bytes.h"
#include "core/result.h"

// Opaque here so that OpenSSL's headers stay out of everybody's compile time.
struct evp_pkey_st;

namespace muster::x509 {

// Names: x509/key_kind.h.
enum class KeyAlgorithm : std::uint8_t { kP256, kP384, kEd25519, kRsa, kMlDsa44, kMlDsa65, kMlDsa87 };

// PublicKey is a SubjectPublicKeyInfo whose kind, size and encoding were checked before OpenSSL saw it:
// P-256 and P-384 (named curve, uncompressed point on the curve), Ed25519, RSA of 2048 to 4096 bits with an odd
// exponent from 65537 to 2^256 - 1, ML-DSA (RFC 9881) where OpenSSL has it. Immutable, thread-safe, cheap to copy.
class PublicKey {
 public:
  // `spki` is DER. Reasons: key.malformed, key.algorithm_unsupported, key.size_unsupported, key.exponent_unsupported,
  // key.point_invalid, key.algorithm_unavailable.
  static Result<PublicKey> parse(BytesView spki);
  // As parse, for a key that nothing will be verified with here: an elliptic curve's costs a tenth of it.
  static Result<void> check(BytesView spki);

  KeyAlgorithm algorithm() const { return algorithm_; }
  unsigned bits() const { return bits_; }  // of the field, the modulus or (ML-DSA) the encoded key
  // What verify() costs, in about the time of one verification with P-256; at least 1. Callers who check what somebody
  // else chose add these up, so that keys made to be slow do not buy time.
  unsigned verification_cost() const { return cost_; }

  // verify checks `signature` over `message` under `signature_algorithm` (AlgorithmIdentifier, DER), one of
  // ecdsa-with-SHA256/384/512, sha256/384/512WithRSAEncryption, Ed25519, ML-DSA, which must fit the key.
  // Reasons: signature.algorithm_unsupported, signature.invalid.
  Result<void> verify(BytesView signature_algorithm, BytesView message, BytesView signature) const;

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, KeyAlgorithm algorithm, unsigned bits, unsigned cost)
      : key_(std::move(key)), algorithm_(algorithm), bits_(bits), cost_(cost) {}
  std::shared_ptr<evp_pkey_st> key_;
  KeyAlgorithm algorithm_;
  unsigned bits_;
  unsigned cost_;
};

// check_key_strength refuses keys that parse but that anybody can break: RSA with an even modulus, a factor below
// 2^12, factors that a hundred rounds of Fermat's method find, and moduli with the ROCA fingerprint (CVE-2017-15361);
// Ed25519 points of small order. Other keys pass. Known keys (Debian's of 2008): x509/blocked_keys.h. Reason: key.weak.
Result<void> check_key_strength(BytesView spki);

}  // namespace muster::x509
