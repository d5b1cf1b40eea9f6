// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a PKCS#10 request (RFC 2986) says about its own name. Nothing of it ever gets into a certificate
// (certificate_request.h): EST (RFC 7030) uses it to tell for which device somebody asks, and whether a request for
// re-enrolment names another one than the certificate it is made with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"
#include "x509/certificate.h"

namespace muster::x509 {

struct RequestNames {
  std::size_t subject_attributes = 0;  // 0: the subject is empty
  // Of a subject whose one CN is a UTF8String, PrintableString or IA5String. Any octets: the caller checks them.
  std::optional<std::string> common_name;
  // Of the subjectAltName extensions that are asked for; empty optional: none is.
  std::optional<std::vector<GeneralName>> alt_names;
};

// read_request_names reads a request without verifying its signature. Reasons: csr.too_large, csr.malformed.
Result<RequestNames> read_request_names(BytesView der);

// The CN of a certificate's subject, by the same rules.
std::optional<std::string> common_name_of(const Certificate& certificate);

}  // namespace muster::x509
