// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certification path validation (RFC 5280 §6) against anchors given by key, with a report of all findings.
//
// Deviations from RFC 5280: policies are not processed (a critical certificatePolicies extension is accepted, policy
// constraints and inhibitAnyPolicy are unknown critical extensions here); of name constraints only URI hosts and DNS
// names are known, a constraint of any other form refuses the path; anchors' own constraints and validity apply;
// AKI is not compared: the signature decides.
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
#include "x509/trust_anchor.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxPathLength = 6;        // certificates in a path, leaf and anchor included
inline constexpr std::size_t kMaxPresented = 8;         // intermediates somebody may present
inline constexpr std::size_t kMaxSignatureChecks = 16;  // bounds the work for cliques of cross-signed CAs

enum class ChainPurpose {
  kDevice,     // clientAuth, digitalSignature, not a CA, exactly one URI SAN of the form device_uri writes
  kTlsClient,  // clientAuth, digitalSignature, not a CA
  kTlsServer,  // serverAuth, digitalSignature, not a CA
};

// certificate_index: 0 is the leaf, 1… the intermediates of the path, then the anchor.
struct ChainFinding {
  std::string_view reason;  // x509/reasons.h
  std::size_t certificate_index = 0;
  std::string parameter;  // for people: a time, an OID; may be empty
};

struct ChainReport {
  std::vector<ChainFinding> findings;  // empty means valid
  std::optional<Principal> principal;  // kDevice: set when the URI SAN could be read, also where the chain is not valid
  std::optional<std::size_t> anchor_index;
  UtcTime not_after{};     // earliest of the path
  std::size_t length = 0;  // 0: no path was found
  bool valid() const { return findings.empty(); }
};

struct ChainPolicy {
  ChainPurpose purpose = ChainPurpose::kDevice;
  const TrustDomain& trust_domain;
  UtcTime now;
};

// verify_chain builds the one path from `leaf` to an anchor and checks all of it. Thread-safe.
ChainReport verify_chain(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const TrustAnchor> anchors, const ChainPolicy& policy);

}  // namespace muster::x509
