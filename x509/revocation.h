// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/record.h"
#include "core/time.h"
#include "x509/certificate.h"
#include "x509/crl_import.h"

namespace muster::x509 {

enum class RevocationStatus : std::uint8_t {
  kGood,          // CRLs for every reason speak for this certificate, and none lists it
  kRevoked,       //
  kUndetermined,  // no current CRL, or not for every reason
};

struct RevocationAnswer {
  RevocationStatus status = RevocationStatus::kUndetermined;
  UtcTime revoked_at{};          // kRevoked
  std::uint8_t reason_code = 0;  // kRevoked; RFC 5280 §5.3.1
};

struct RevocationQuery {
  const Certificate& certificate;
  const Certificate& issuer;  // of the certificate, as found in its path
  Sha256 anchor_spki{};       // of the path's anchor; may equal the issuer's
  UtcTime now;
  bool accept_expired = false;  // a CRL after its nextUpdate still counts (last known good)
};

// revocation_status looks `certificate` up in the CRLs of its issuer (RFC 5280 §6.3.3): complete ones and deltas, by
// the certificate's cRLDistributionPoints first, then those that any certificate of the issuer is in. A distribution
// point that names a cRLIssuer leaves the status undetermined: indirect CRLs are not followed. Thread-safe.
RevocationAnswer revocation_status(const RevocationQuery& query, std::span<const ImportedCrl> crls);

}  // namespace muster::x509
