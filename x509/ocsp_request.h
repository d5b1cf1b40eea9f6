// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads OCSP requests (RFC 6960 §4.1, RFC 9654), which anybody may send. A requestorName and a signature are
// checked for form and otherwise ignored: answers are the same for everybody.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::x509 {

// Views of the request, which must outlive it.
struct OcspCertIdView {
  BytesView whole;           // CertID, DER: answers repeat it octet by octet
  BytesView hash_algorithm;  // contents of the OID
  BytesView issuer_name_hash;
  BytesView issuer_key_hash;
  BytesView serial;  // magnitude without sign octet; empty where it is negative
};

struct OcspRequestView {
  std::vector<OcspCertIdView> certificates;  // at least one
  std::optional<BytesView> nonce;            // 1 to 128 octets [RFC9654 2.1]
  bool plain = true;                         // no nonce and no other extension: an answer made beforehand will do
};

inline constexpr std::size_t kMaxOcspCertificates = 10;  // in one request

// Strict DER, one object. Extensions that are not critical and not a nonce are ignored.
// Reasons: ocsp.malformed, ocsp.too_many_certificates.
Result<OcspRequestView> parse_ocsp_request(BytesView der);

}  // namespace muster::x509
