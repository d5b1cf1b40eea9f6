// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "core/time.h"
#include "x509/crl.h"
#include "x509/crl_import.h"

namespace muster::x509 {

// CrlDocument is a CertificateList (RFC 5280 §5.1) as read: strict DER, nothing judged. Its views point into what was
// read. Private to x509/.
struct CrlDocument {
  BytesView tbs;
  BytesView signature_algorithm;  // AlgorithmIdentifier, DER
  BytesView signature;
  BytesView issuer;  // Name, DER
  bool is_v2 = false;
  UtcTime this_update{};
  std::optional<UtcTime> next_update;
  std::string number_hex;  // as in ImportedCrl
  std::optional<std::string> base_number_hex;
  CrlScope scope;
  bool only_attribute_certificates = false;
  std::vector<CrlEntry> entries;                // of the CRL's own issuer, in their order
  std::optional<std::string> unknown_critical;  // dotted OID of one such extension, of the list or of an entry
  bool number_is_critical = false;              // [RFC5280 5.2.3] must not be
};

// read_crl reads one CertificateList and nothing after it. Reasons: crl.too_large, crl.malformed.
Result<CrlDocument> read_crl(BytesView der);

// crl_number_less compares cRLNumbers in the form of CrlDocument::number_hex.
bool crl_number_less(std::string_view a, std::string_view b);

}  // namespace muster::x509
