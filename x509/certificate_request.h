// SPDX-License-Identifier: Apache-2.0
//
// Purpose: PKCS#10 requests (RFC 2986). Only the key is taken from them: subject and requested extensions are bounded,
// walked for well-formedness and then forgotten, so no name can come from a request.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "x509/public_key.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxRequestSize = 16 * 1024;  // octets, of the PEM text or the DER
inline constexpr std::size_t kMaxRequestExtensions = 32;
inline constexpr std::size_t kMaxRequestAttributes = 8;

// CertificateRequest is a request whose signature was verified with its own key. Immutable, thread-safe.
class CertificateRequest {
 public:
  // Exactly one request; every limit is checked before any cryptography, then the key's strength and the proof of
  // possession. Reasons: csr.too_large, csr.malformed, csr.too_many_extensions, csr.key_unsupported, csr.key_weak,
  // csr.signature_invalid, key.algorithm_unavailable.
  static Result<CertificateRequest> parse_der(BytesView der);
  // One "CERTIFICATE REQUEST" (or "NEW CERTIFICATE REQUEST") block and nothing but white space around it.
  static Result<CertificateRequest> parse_pem(std::string_view pem);

  const PublicKey& key() const { return key_; }
  BytesView spki() const { return spki_; }
  const Sha256& spki_sha256() const { return spki_sha256_; }

 private:
  CertificateRequest(PublicKey key, BytesView spki, const Sha256& spki_sha256)
      : key_(std::move(key)), spki_(spki.begin(), spki.end()), spki_sha256_(spki_sha256) {}
  PublicKey key_;
  Bytes spki_;
  Sha256 spki_sha256_;
};

}  // namespace muster::x509
