// SPDX-License-Identifier: Apache-2.0
//
// A CRL to import: two octets of length, the issuer's certificate, the CRL. What is imported was signed under the
// issuer's name, and says the same of a serial number each time.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "x509/crl.h"
#include "x509/crl_import.h"
#include "x509/distinguished_name.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace muster;
  const BytesView input{data, size};
  if (size < 2) return 0;
  const std::size_t length = static_cast<std::size_t>(data[0]) << 8 | data[1];
  if (length > size - 2) return 0;
  const BytesView der = input.subspan(2 + length);
  const auto claimed = x509::read_crl_issuer(der);
  if (x509::Crl::parse_der(der).ok() && !claimed.ok()) std::abort();
  const auto issuer = x509::Certificate::parse_der(input.subspan(2, length));
  if (!issuer.ok()) return 0;
  x509::CrlPolicy policy{.now = parse_rfc3339("2026-06-15T00:00:00Z").value()};
  policy.require_number = false;
  policy.accept_delta = true;
  policy.accept_own_part_of_indirect = true;
  const auto crl = x509::check_crl(der, *issuer, policy);
  if (!crl.ok()) return 0;
  if (!claimed.ok() || !x509::is_same_name(crl->issuer, issuer->subject())) std::abort();
  for (const x509::CrlEntry& entry : crl->entries) {
    if (crl->find(entry.serial_hex) == nullptr) std::abort();
  }
  return 0;
}
