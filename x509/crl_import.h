// SPDX-License-Identifier: Apache-2.0
//
// Purpose: CRLs that others made (RFC 5280 §5): read one, check it against the CA that signed it, and keep what
// answers "is this certificate revoked?" (x509/revocation.h).
//
// Deviations from RFC 5280 §6.3: CRLs that speak for other CAs (indirect ones) are refused, as are partitions for
// attribute certificates. Entry extensions other than reasonCode are not kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/algorithm_policy.h"
#include "x509/certificate.h"
#include "x509/crl.h"

namespace muster::x509 {

// ReasonFlags of RFC 5280 §4.2.1.13: bit n of the BIT STRING is bit n here. Bits 1 to 8 are every reason there is.
inline constexpr std::uint16_t kAllRevocationReasons = 0x01FE;

// CrlScope says which certificates of its issuer a CRL speaks for: the issuingDistributionPoint (RFC 5280 §5.2.5).
// All members at their defaults: every certificate, for every reason.
struct CrlScope {
  bool is_distribution_point = false;  // true: only certificates that point at one of `names`
  std::vector<GeneralName> names;      // fullName; or one directoryName made of nameRelativeToCRLIssuer
  bool only_user_certificates = false;
  bool only_ca_certificates = false;
  bool indirect = false;  // may hold entries of other issuers, which are not kept
  std::uint16_t reasons = kAllRevocationReasons;
  friend bool operator==(const CrlScope&, const CrlScope&) = default;
};

// ImportedCrl is a CRL whose signature and dates were checked. A value; large: move it.
struct ImportedCrl {
  Bytes issuer;                                // Name, DER
  Sha256 signer_spki{};                        // SHA-256 of the SubjectPublicKeyInfo that verified it
  std::optional<Sha256> anchor_spki;           // where its signer is not the certificates' issuer: their common anchor
  std::string number_hex;                      // cRLNumber, lower-case, no sign octet; empty: none
  std::optional<std::string> base_number_hex;  // set: a delta CRL for the complete CRL of this number or a later one
  UtcTime this_update{};
  std::optional<UtcTime> next_update;
  CrlScope scope;
  std::vector<CrlEntry> entries;  // sorted by serial_hex
  // The entry for `serial_hex` (as Certificate::serial_hex), or nullptr. O(log n).
  const CrlEntry* find(std::string_view serial_hex) const;
};

struct CrlPolicy {
  UtcTime now;
  // How old thisUpdate may be. nullopt: any age, but then nextUpdate must be there.
  std::optional<std::chrono::seconds> max_age{};
  // What is held already for the same issuer and scope: a CRL with a lower number or an earlier thisUpdate is refused.
  std::string held_number_hex{};  // empty: none
  std::optional<UtcTime> held_this_update{};
  bool require_number = true;  // [RFC5280 5.2.3] every CRL has one; false for CRLs of CAs that do not know
  bool accept_delta = false;
  bool accept_expired = false;  // for a caller that lives on with the last known good CRL
  // false: a CRL with indirectCRL set is refused. true: its entries for its own issuer count, the others are dropped.
  bool accept_own_part_of_indirect = false;
  AlgorithmPolicy algorithms{};
};

// check_crl reads `der` (one CertificateList, at most kMaxCrlSize octets) and checks that `issuer` signed it: names
// equal after RFC 5280 §7.1, cRLSign where `issuer` has keyUsage, the signature, the dates. The issuer's own path is
// the caller's to check (a trust anchor that somebody uploaded has none).
//
// Reasons: crl.too_large, crl.malformed, crl.issuer_mismatch, crl.issuer_key_usage, crl.extension_unsupported (unknown
// critical extension, of the CRL or of an entry), crl.indirect_unsupported, crl.attribute_only, crl.delta_unexpected,
// crl.number_missing, crl.not_yet_valid, crl.expired, crl.too_old, crl.next_update_missing, crl.older_than_held,
// key.*, signature.*. Nothing costs a signature check before the cheaper checks passed. Thread-safe.
Result<ImportedCrl> check_crl(BytesView der, const Certificate& issuer, const CrlPolicy& policy);

// read_crl_issuer returns the issuer (Name, DER) that a CRL claims, so that a caller can pick whom to check it
// against; nothing is checked but the syntax. The view is into `der`. Reasons: crl.too_large, crl.malformed.
Result<BytesView> read_crl_issuer(BytesView der);

}  // namespace muster::x509
