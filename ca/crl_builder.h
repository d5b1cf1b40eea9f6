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
  std::uint64_t number = 0;  // grows with each
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
  // Entries of a CRL that this class wrote before, as they stand there (crl_entries).
  void add_written(BytesView entries, std::size_t count);
  std::size_t count() const { return count_; }
  std::size_t size() const { return list_.size(); }  // octets of the entries

  // A TBSCertList with AKI, cRLNumber and a critical issuingDistributionPoint that names the shard's URI.
  Bytes finish(const CrlHead& head) const;

 private:
  Bytes list_;  // the entries, DER
  std::size_t count_ = 0;
  UtcTime time_of_{};
  Bytes time_;  // DER of time_of_
};

// The entries of a CertificateList, a view into it; empty where nothing is revoked or it is none.
BytesView crl_entries(BytesView der);

// The same in one call. Reason: profile.invalid.
Result<Bytes> build_tbs_crl(const CrlHead& head, const std::vector<x509::CrlEntry>& entries);

}  // namespace muster::ca
