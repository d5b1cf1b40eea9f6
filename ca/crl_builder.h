// SPDX-License-Identifier: Apache-2.0
//
// Purpose: writes TBSCertLists (RFC 5280 §5.1), also of a million entries, one entry at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "ca/tbs_certificate.h"
#include "core/bytes.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/crl.h"

namespace muster::ca {

struct CrlHead {
  const IssuerIdentity& issuer;
  std::uint32_t shard = 0;
  std::uint64_t number = 0;  // next_crl_number
  UtcTime this_update;
  UtcTime next_update;
};

// CrlBuilder collects entries as they are read and writes the list around them. Confined to one thread.
class CrlBuilder {
 public:
  void expect(std::size_t entries);  // room for that many more
  // `serial` is a big-endian magnitude of 1 to 20 octets, with or without a sign octet. Nothing is added on failure.
  // Reason: profile.invalid (the serial's size, reason code 7 or over 10).
  Result<void> add(BytesView serial, UtcTime revoked_at, std::uint8_t reason_code);
  std::size_t count() const { return count_; }

  // A TBSCertList with AKI, cRLNumber and a critical issuingDistributionPoint that names the shard's URI.
  Bytes finish(const CrlHead& head) const;

 private:
  Bytes list_;  // the entries, DER
  std::size_t count_ = 0;
  UtcTime time_of_{};
  Bytes time_;  // DER of time_of_
};

// The same in one call. Reason: profile.invalid.
Result<Bytes> build_tbs_crl(const CrlHead& head, const std::vector<x509::CrlEntry>& entries);

// next_crl_number = max(previous + 1, seconds of the clock): it also grows when a database was restored.
std::uint64_t next_crl_number(std::uint64_t previous, UtcTime now);

}  // namespace muster::ca
