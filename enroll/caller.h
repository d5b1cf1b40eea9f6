// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "registry/claim_id.h"

namespace muster::enroll {

enum class CallerRole : std::uint8_t {
  kPlatformAdmin,
  kTenantAdmin,
  kFactory,
  kAuditor,
  kApplication,
  kBroker,  // of another make: asks whether its clients may
  kDevice,  // by its own certificate
  kEdge,
  kClaim,  // by a claim: may ask for what the claim covers and nothing else
  kLocal,  // the process itself: initialisation, `muster doctor`
};

// Caller is who asks, as the API authenticated it. It is a value that enroll checks itself at every entry, so that no
// protocol handler can forget to (step-ca CVE-2025-44005).
struct Caller {
  CallerRole role = CallerRole::kAuditor;
  std::optional<TenantId> tenant;  // absent only for platform roles, edges, kLocal and a platform's kBroker
  std::optional<TokenId> token;
  std::optional<DeviceId> device;               // kDevice
  std::optional<Sha256> device_certificate_id;  // kDevice: the certificate that was proved in the handshake
  std::vector<Bytes> external_chain;            // kDevice by its tenant's own PKI: DER, leaf first, proved likewise
  std::optional<EdgeId> edge;                   // kEdge
  std::optional<ClaimId> claim;                 // kClaim
  std::string source_address;                   // numeric; empty where nobody asked over a network
  std::string request_id;

  // For the audit: "token:<uuid>", "certificate:<hex>", "edge:<uuid>", "claim:<uuid>" or "system".
  std::string audit_name() const;
};

}  // namespace muster::enroll
