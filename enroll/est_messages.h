// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the two ASN.1 messages that an EST server (RFC 7030) makes itself.
#pragma once

#include <span>

#include "core/bytes.h"
#include "x509/certificate.h"

namespace muster::enroll {

// certs_only writes a certs-only CMC Simple PKI Response (RFC 5272 §4.1): a CMS SignedData without content and signers
// that carries `certificates` in that order, DER.
Bytes certs_only(std::span<const x509::Certificate> certificates);

// csr_attributes writes the CsrAttrs (RFC 7030 §4.5.2 as RFC 8951 §3.3 explains it) of a device: a key on P-256 and a
// signature by ecdsa-with-SHA256. It is advice for clients that ask; other keys that the profile allows work too.
Bytes csr_attributes();

}  // namespace muster::enroll
