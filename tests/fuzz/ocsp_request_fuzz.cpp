// SPDX-License-Identifier: Apache-2.0
//
// OCSP requests, which anybody may send. Oracles: views lie inside the request; limits hold; what a CertID view calls
// whole holds its parts; OpenSSL reads as many certificates in what we read.
#include <openssl/ocsp.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "x509/ocsp_request.h"

namespace {

bool lies_in(muster::BytesView part, muster::BytesView whole) {
  if (part.empty()) return true;
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const muster::BytesView der{data, size};
  const auto request = muster::x509::parse_ocsp_request(der);
  if (!request.ok()) return 0;
  const auto& certificates = request->certificates;
  if (certificates.empty() || certificates.size() > muster::x509::kMaxOcspCertificates) std::abort();
  for (const auto& id : certificates) {
    if (!lies_in(id.whole, der)) std::abort();
    for (const auto part : {id.hash_algorithm, id.issuer_name_hash, id.issuer_key_hash, id.serial}) {
      if (!lies_in(part, id.whole)) std::abort();
    }
  }
  if (request->nonce && (request->nonce->empty() || request->nonce->size() > 128 || !lies_in(*request->nonce, der))) {
    std::abort();
  }
  if (request->nonce && request->plain) std::abort();
  const unsigned char* at = data;
  OCSP_REQUEST* other = d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(size));
  const bool differs = other && OCSP_request_onereq_count(other) != static_cast<int>(certificates.size());
  OCSP_REQUEST_free(other);
  if (differs) std::abort();
  return 0;
}
