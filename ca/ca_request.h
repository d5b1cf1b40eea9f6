// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certification requests (PKCS #10, RFC 2986) for our own CA keys, which somebody else's CA is to sign: the
// offline device root, or a customer's root.
#pragma once

#include <cstdint>
#include <string>

#include "core/bytes.h"
#include "core/result.h"
#include "x509/public_key.h"

namespace muster::ca {

struct CaRequest {
  Bytes subject;                   // Name, DER; never empty [RFC5280 4.1.2.6]
  Bytes spki;                      // DER
  std::uint32_t path_length = 0;   // asked for; the other CA decides
  std::string permitted_uri_host;  // empty: no name constraint is asked for
};

// build_request_info writes the CertificationRequestInfo. It asks, by extensionRequest, for basicConstraints CA with
// the path length and keyUsage keyCertSign and cRLSign, both critical, and for the name constraint, critical.
Bytes build_request_info(const CaRequest& request);

// assemble_request makes the CertificationRequest from the info and its signature (Signer::sign_request).
Bytes assemble_request(BytesView info, x509::KeyAlgorithm algorithm, BytesView signature);

}  // namespace muster::ca
