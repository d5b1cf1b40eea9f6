// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certification path validation (RFC 5280 §6) of devices' and of our own TLS certificates against anchors
// given by key, with a report of all findings. The path itself is judged by the code behind x509/path_validator.h.
//
// Deviations from RFC 5280: any policy is acceptable, but policyConstraints and inhibitAnyPolicy of the path hold;
// revocation is looked up elsewhere (the registry's list, or CRLs held for an external anchor), so a critical
// cRLDistributionPoints refuses the path; anchors' own constraints and validity apply; AKI only says whom to try first:
// the signature decides. What §4 asks of issuers beyond §6 is not demanded here (PathPolicy::require_profile).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.h"
#include "core/time.h"
#include "x509/certificate.h"
#include "x509/chain_finding.h"
#include "x509/signature_memory.h"
#include "x509/trust_anchor.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxPathLength = 6;        // certificates in a path, leaf and anchor included
inline constexpr std::size_t kMaxPresented = 8;         // intermediates somebody may present
inline constexpr std::size_t kMaxSignatureChecks = 16;  // bounds the work for cliques of cross-signed CAs
inline constexpr std::size_t kMaxSignatureCost = 150;   // PublicKey::verification_cost of all of them: about 12 ms

enum class ChainPurpose {
  kDevice,     // clientAuth, digitalSignature, not a CA, exactly one URI SAN of the form device_uri writes
  kTlsClient,  // clientAuth, digitalSignature, not a CA
  kTlsServer,  // serverAuth, digitalSignature, not a CA
};

struct ChainReport {
  std::vector<ChainFinding> findings;  // empty means valid
  std::optional<Principal> principal;  // kDevice: set when the URI SAN could be read, also where the chain is not valid
  std::optional<std::size_t> anchor_index;
  UtcTime not_after{};             // earliest of the path
  std::size_t length = 0;          // 0: no path was found
  std::size_t signature_cost = 0;  // what the search spent, in PublicKey::verification_cost
  bool valid() const { return findings.empty(); }
};

struct ChainPolicy {
  ChainPurpose purpose = ChainPurpose::kDevice;
  const TrustDomain& trust_domain;
  UtcTime now;
  SignatureMemory* memory = nullptr;  // of signatures that were checked before; nullptr: none
};

// verify_chain finds a path from `leaf` to an anchor that obeys all rules, else it reports on the first path found.
// Thread-safe.
ChainReport verify_chain(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const TrustAnchor> anchors, const ChainPolicy& policy);

}  // namespace muster::x509
