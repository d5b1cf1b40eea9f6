// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "x509/crl_import.h"
#include "x509/path_validator.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxCollectedCrls = 16;

// What was presented together: certificates of unknown standing, and CRLs that any of them may have signed.
struct CrlCollection {
  std::span<const BytesView> crls;  // DER, at most kMaxCollectedCrls; more are not looked at
  std::span<const Certificate> certificates;
  std::span<const Certificate> anchors;
};

// collect_crls returns those CRLs whose signer is an anchor, or a certificate with a valid path to one that the other
// CRLs do not revoke (RFC 5280 §6.3.3 (f)): a CA may sign its CRLs with another key than its certificates. For a CRL
// whose signer is known, check_crl is enough. Bounded, but too slow for a handshake. Thread-safe.
std::vector<ImportedCrl> collect_crls(const CrlCollection& collection, const PathPolicy& path, const CrlPolicy& crl);

}  // namespace muster::x509
