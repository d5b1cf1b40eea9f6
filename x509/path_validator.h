// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certification path validation for PKIs that others run (RFC 5280 §6): path search with backtracking,
// name constraints, certificate policies (RFC 9618), revocation by CRLs. x509/chain_verifier.h adds the rules of a
// device's and of our own TLS certificates to the same code.
//
// Deviations from RFC 5280: trust anchors are certificates, whose own validity, basicConstraints, name constraints
// and policy extensions count as those of any CA; indirect CRLs are refused; DSA parameters are not inherited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "x509/algorithm_policy.h"
#include "x509/certificate.h"
#include "x509/chain_finding.h"
#include "x509/crl_import.h"
#include "x509/signature_memory.h"

namespace muster::x509 {

// What one validation may cost, whatever is presented and however slow its keys are: below 50 ms.
struct PathLimits {
  std::size_t presented = 16;            // intermediates that may be presented
  std::size_t path_length = 8;           // certificates in a path, leaf and anchor included
  std::size_t signature_checks = 16;     // for the whole search
  std::size_t signature_cost = 400;      // likewise, in PublicKey::verification_cost: about 35 ms
  std::size_t paths = 8;                 // complete paths that are judged before giving up
  std::size_t name_comparisons = 16384;  // subtrees × names, for the whole search
};

// PathWork counts what a validation did, so that tests can hold limits without a clock.
struct PathWork {
  std::size_t signature_checks = 0;
  std::size_t signature_cost = 0;  // of the checks and of loading keys for them
  std::size_t paths = 0;
  std::size_t steps = 0;  // candidates looked at by the search
  std::size_t name_comparisons = 0;
  std::size_t policy_nodes = 0;
};

// The inputs (c) to (g) of RFC 5280 §6.1.1. Policies are dotted OIDs.
struct PolicyInputs {
  std::set<std::string> acceptable;  // user-initial-policy-set; empty: any-policy
  bool require_explicit_policy = false;
  bool inhibit_policy_mapping = false;
  bool inhibit_any_policy = false;
};

struct PathPolicy {
  UtcTime now;
  // The extended key usage that the leaf must allow, and each CA that lists any. Where the leaf has none it is
  // unrestricted [RFC5280 4.2.1.12]. nullopt: not looked at.
  std::optional<ExtendedKeyUsage> usage{};
  bool require_usage = false;      // a leaf without extended key usage is refused
  bool require_key_usage = false;  // a CA without keyUsage is refused
  // Also what RFC 5280 §4 asks of issuers, not only what §6 asks of validators: SKI and AKI present, extensions
  // critical or not as they MUST be, names well-formed.
  bool require_profile = true;
  PolicyInputs policies{};
  // Non-null: every certificate of the path but the anchor must be known as not revoked by these.
  const std::vector<ImportedCrl>* crls = nullptr;
  bool accept_expired_crls = false;
  std::optional<std::uint32_t>
      max_intermediates{};  // initial max_path_length of §6.1.2 (k); self-issued ones not counted
  AlgorithmPolicy algorithms{};
  PathLimits limits{};
  SignatureMemory* memory = nullptr;  // of signatures that were checked before; nullptr: none
};

struct PathReport {
  std::vector<ChainFinding> findings;  // empty means valid; of the first path found where there is no valid one
  std::vector<Certificate> path;       // leaf … anchor; empty: no path was found
  std::optional<std::size_t> anchor_index;
  UtcTime not_after{};             // earliest of the path
  std::set<std::string> policies;  // user-constrained-policy-set; "2.5.29.32.0": any
  PathWork work;
  bool valid() const { return findings.empty(); }
};

// validate_path finds a path from `leaf` to one of `anchors` that obeys `policy`, or says what is wrong with the first
// one. Anchors are trusted by key. Reasons: chain.*. Thread-safe.
PathReport validate_path(const Certificate& leaf, std::span<const Certificate> intermediates,
                         std::span<const Certificate> anchors, const PathPolicy& policy);

}  // namespace muster::x509
