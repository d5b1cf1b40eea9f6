// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/public_key.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxCrlSize = 64 * 1024 * 1024;  // octets

struct CrlEntry {
  std::string serial_hex;
  UtcTime revoked_at{};
  std::uint8_t reason_code = 0;  // RFC 5280 §5.3.1; 0 where the entry names none
  friend bool operator==(const CrlEntry&, const CrlEntry&) = default;
};

// Crl is a parsed certificate revocation list (RFC 5280 §5), owned.
struct Crl {
  Bytes tbs;
  Bytes issuer;               // Name, DER
  Bytes signature_algorithm;  // AlgorithmIdentifier, DER
  Bytes signature;
  UtcTime this_update{};
  UtcTime next_update{};
  std::string number_hex;        // cRLNumber
  std::string distribution_uri;  // of the issuingDistributionPoint; empty: none
  std::vector<CrlEntry> entries;

  // Strict DER, one object. Reasons: crl.too_large, crl.malformed, crl.extension_unsupported (unknown critical one).
  static Result<Crl> parse_der(BytesView der);
  // Reason: signature.*
  Result<void> verify(const PublicKey& issuer_key) const {
    return issuer_key.verify(signature_algorithm, tbs, signature);
  }
};

}  // namespace muster::x509
