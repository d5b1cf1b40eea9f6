// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the extensions that only path validation needs: policies, distribution points, and which extensions a
// certificate has at all. Read when a path is judged, so that Certificate stays small. Private to x509/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "x509/certificate.h"
#include "x509/extension_reader.h"

namespace muster::x509 {

inline constexpr std::size_t kMaxPolicies = 64;            // in one certificatePolicies, and policyMappings
inline constexpr std::size_t kMaxDistributionPoints = 16;  // in one cRLDistributionPoints, and names of one of them
inline constexpr std::string_view kAnyPolicy = "2.5.29.32.0";

struct PolicyMapping {
  std::string issuer_policy;  // dotted OIDs
  std::string subject_policy;
};

// DistributionPoint (RFC 5280 §4.2.1.13) without the names of its CRL issuer: they are not followed.
struct DistributionPoint {
  std::vector<GeneralName> names;  // as in CrlScope
  std::uint16_t reasons = 0;       // kAllRevocationReasons where the point names none
  bool has_crl_issuer = false;
};

struct PathExtensions {
  std::vector<ExtensionView> all;                    // in their order; views into the certificate
  std::optional<std::vector<std::string>> policies;  // certificatePolicies, dotted OIDs
  std::vector<PolicyMapping> mappings;
  std::optional<std::uint32_t> require_explicit_policy;
  std::optional<std::uint32_t> inhibit_policy_mapping;
  std::optional<std::uint32_t> inhibit_any_policy;
  std::vector<DistributionPoint> distribution_points;

  const ExtensionView* find(BytesView oid) const;  // nullptr: none
  bool has(BytesView oid) const { return find(oid) != nullptr; }
  bool is_critical(BytesView oid) const;  // false where there is none
};

// read_path_extensions reads them; `certificate` must outlive the answer. Reasons: chain.extension_malformed,
// chain.too_many_policies.
Result<PathExtensions> read_path_extensions(const Certificate& certificate);

// read_distribution_point_name reads DistributionPointName (RFC 5280 §4.2.1.13): the choice's contents. A name relative
// to the CRL issuer becomes a directoryName below `issuer` (Name, DER). nullopt: malformed.
std::optional<std::vector<GeneralName>> read_distribution_point_name(DerReaderView choice, BytesView issuer);

}  // namespace muster::x509
