// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what makes an issuer a trust anchor of the tenant's own PKI: its devices are accepted by path, by these
// rules, and not by a list of certificates. One canonical form in octets, which the server writes into the entity line
// and the snapshot keeps as it is. Grammar: docs/formats/snapshot.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/device_id_source.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::edge {

inline constexpr std::size_t kMaxRevokedKeys = 200'000;     // of one anchor
inline constexpr std::size_t kMaxExternalTrust = 4U << 20;  // octets of the encoded form

struct ExternalTrust {
  struct CrlDeadline {
    Sha256 issuer_key{};
    UtcTime next_update{};
    friend bool operator==(const CrlDeadline&, const CrlDeadline&) = default;
  };
  DeviceIdSource source = DeviceIdSource::kCommonName;
  bool reports_unknown = false;      // a device that is not registered is reported, so that the server may register it
  std::uint8_t expired_crl = 0;      // 0 no CRL in use, 1 fail closed, 2 last known good
  std::string prefix;                // cut off the device id
  std::vector<Bytes> intermediates;  // DER
  std::vector<CrlDeadline> crls;     // sorted by issuer_key
  std::vector<std::array<std::uint8_t, 16>> revoked;  // sorted; x509::revocation_key
  friend bool operator==(const ExternalTrust&, const ExternalTrust&) = default;
};

// Reason: snapshot.limit_exceeded.
Result<Bytes> encode_external_trust(const ExternalTrust& trust);
// Octets at the end that a later version added are skipped. Reason: snapshot.corrupt.
Result<ExternalTrust> decode_external_trust(BytesView bytes);

}  // namespace muster::edge
