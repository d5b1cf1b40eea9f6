// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the broker plugin asks of a client certificate: who is this device, by which anchored key, and until
// when.
//
// The caller must still: choose the anchors (by tenant, never by a name inside a certificate), compare
// principal.tenant with the tenant that owns anchors[anchor_index], and ask the registry's allow-list whether
// certificate_id was issued to that device and is unrevoked.
#pragma once

#include <cstddef>
#include <span>

#include "core/bytes.h"
#include "core/identity.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/certificate.h"
#include "x509/signature_memory.h"
#include "x509/trust_anchor.h"

namespace muster::x509 {

struct DeviceChain {
  Sha256 certificate_id{};  // SHA-256 of the leaf's DER
  Sha256 spki_sha256{};     // SHA-256 of the leaf's SubjectPublicKeyInfo
  Principal principal;      // from the leaf's one URI SAN
  UtcTime not_after;        // earliest notAfter of leaf, intermediates and anchor; inclusive
  std::size_t anchor_index = 0;
  std::size_t length = 0;  // certificates in the path, leaf and anchor included
};

// Views: everything must outlive the call only.
struct DeviceChainRequest {
  BytesView leaf;                            // DER
  std::span<const BytesView> intermediates;  // DER, as presented, any order; the leaf may be among them
  std::span<const TrustAnchor> anchors;
  const TrustDomain& trust_domain;
  UtcTime now;
};

// The same, parsed already: what a caller has read once is not read again.
struct ParsedDeviceChain {
  const Certificate& leaf;
  std::span<const Certificate> intermediates;
  std::span<const TrustAnchor> anchors;
  const TrustDomain& trust_domain;
  UtcTime now;
  SignatureMemory* memory = nullptr;  // of signatures that were checked before; nullptr: none
};

// verify_device_chain verifies leaf → intermediates → anchor by key and reads the device's name from the leaf. One
// signature check a link when the presented order is usual; never more than kMaxSignatureChecks. Sizes and counts are
// checked before any cryptography. The anchor's own validity, path length and name constraints hold as well.
//
// Returns the first finding of verify_chain as Error (kPermissionDenied): certificate.*, chain.* (x509/reasons.h), for
// example chain.anchor_unknown, chain.expired, chain.not_yet_valid, chain.leaf_is_ca, chain.eku_client_auth_missing,
// chain.key_usage_missing, chain.path_length_exceeded, chain.name_constraint_violated, identity.uri_unexpected.
// Thread-safe.
Result<DeviceChain> verify_device_chain(const DeviceChainRequest& request);
Result<DeviceChain> verify_device_chain(const ParsedDeviceChain& chain);

}  // namespace muster::x509
