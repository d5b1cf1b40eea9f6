// SPDX-License-Identifier: Apache-2.0
//
// Purpose: writes OCSP answers (RFC 6960 §4.2) and holds the key that signs them. A responder's key is delegated: its
// certificate names OCSPSigning and nothing else, lives for two days and ends with the process, so it is never stored
// and nobody who steals the database or a backup can say "good".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::ca {

// ResponderKey is a P-256 key in this process's memory. Thread-safe.
class ResponderKey {
 public:
  // Reason: signer.unavailable.
  static Result<ResponderKey> generate();

  const Bytes& spki() const { return spki_; }
  // ECDSA with SHA-256. Reason: signer.unavailable.
  Result<Bytes> sign(BytesView message) const;

 private:
  ResponderKey(std::shared_ptr<void> key, Bytes spki) : key_(std::move(key)), spki_(std::move(spki)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY
  Bytes spki_;
};

// OcspIssuerHashes are what a CertID may say of an issuer.
struct OcspIssuerHashes {
  Bytes name_sha1, key_sha1;
  Sha256 name_sha256{}, key_sha256{};
};
// `name`: its subject, DER; `spki`: its key, DER. Empty: not a SubjectPublicKeyInfo.
std::optional<OcspIssuerHashes> ocsp_issuer_hashes(BytesView name, BytesView spki);

enum class OcspCertStatus : std::uint8_t { kGood, kRevoked, kUnknown };

struct OcspSingleAnswer {
  BytesView cert_id;  // CertID of the request, DER
  OcspCertStatus status = OcspCertStatus::kUnknown;
  UtcTime revoked_at{};                // kRevoked
  std::uint8_t revocation_reason = 0;  // kRevoked; 0 is left out
};

struct OcspAnswerOrder {
  std::span<const OcspSingleAnswer> answers;
  std::optional<BytesView> nonce;  // octets; repeated in the answer [RFC9654 2.1]
  UtcTime produced_at{};
  UtcTime this_update{};
  UtcTime next_update{};
};

// sign_ocsp_response writes an OCSPResponse "successful" with the responder's certificate (DER) in it.
// Reason: signer.unavailable.
Result<Bytes> sign_ocsp_response(const OcspAnswerOrder& order, const ResponderKey& key, BytesView certificate);

// [RFC6960 4.2.1] OCSPResponseStatus; these answers carry nothing else and are not signed.
enum class OcspErrorStatus : std::uint8_t {
  kMalformedRequest = 1,
  kInternalError = 2,
  kTryLater = 3,
  kUnauthorized = 6,  // not a CA of ours [RFC5019 2.2.3]
};
Bytes ocsp_error_response(OcspErrorStatus status);

}  // namespace muster::ca
