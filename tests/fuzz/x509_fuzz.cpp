// SPDX-License-Identifier: Apache-2.0
//
// Every reader of DER that takes octets from a peer. What parses must be the octets that were given, and reading it
// twice must say the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "x509/certificate.h"
#include "x509/certificate_request.h"
#include "x509/crl.h"
#include "x509/request_names.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const muster::BytesView der{data, size};
  const auto certificate = muster::x509::Certificate::parse_der(der);
  if (certificate.ok()) {
    const auto again = muster::x509::Certificate::parse_der(der);
    if (!again.ok() || again->id() != certificate->id()) std::abort();
  }
  (void)muster::x509::CertificateRequest::parse_der(der);
  (void)muster::x509::read_request_names(der);
  (void)muster::x509::Crl::parse_der(der);
  return 0;
}
