// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ca/tbs_certificate.h"
#include "core/bytes.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/crl.h"

namespace muster::ca {

struct CrlOrder {
  const IssuerIdentity& issuer;
  const std::vector<x509::CrlEntry>& entries;
  std::uint64_t number = 0;  // next_crl_number
  UtcTime this_update;
  UtcTime next_update;
  std::uint32_t shard = 0;
};

// build_tbs_crl writes a TBSCertList (RFC 5280 §5.1) with AKI, cRLNumber and a critical issuingDistributionPoint
// that names the shard's URI. Reason: profile.invalid (a serial that is not hexadecimal, reason code 7 or over 10).
Result<Bytes> build_tbs_crl(const CrlOrder& order);

// next_crl_number = max(previous + 1, seconds of the clock): it also grows when a database was restored.
std::uint64_t next_crl_number(std::uint64_t previous, UtcTime now);

}  // namespace muster::ca
