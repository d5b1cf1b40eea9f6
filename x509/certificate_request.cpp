// SPDX-License-Identifier: Apache-2.0
#include "x509/certificate_request.h"

#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/pem.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::x509 {

namespace {

constexpr int kMaxDepth = 12;  // a general name inside an extension inside an attribute is at 9

Error refuse(std::string_view reason, std::string detail = {}) {
  return Error{ErrorCode::kInvalidArgument, reason, std::move(detail)};
}

struct RequestParts {
  BytesView info;
  BytesView spki;
  BytesView signature_algorithm;
  BytesView signature;
};

// Counts the Extensions in the values of one extensionRequest attribute (RFC 2985 §5.4.2).
std::optional<std::size_t> count_extensions(DerReaderView values) {
  std::size_t count = 0;
  while (!values.at_end()) {
    auto extensions = values.enter(tag::kSequence);
    if (!extensions) return std::nullopt;
    for (; !extensions->at_end(); ++count) {
      if (!extensions->read(tag::kSequence)) return std::nullopt;
    }
  }
  return count;
}

// Returns an empty reason where the attributes are within bounds; their values are never used.
std::string_view check_attributes(DerReaderView attributes) {
  std::size_t extensions = 0;
  for (std::size_t count = 0; !attributes.at_end(); ++count) {
    auto attribute = attributes.enter(tag::kSequence);
    if (!attribute || count == kMaxRequestAttributes) return reasons::kCsrMalformed;
    const auto type = attribute->read(tag::kOid);
    const auto values = attribute->enter(tag::kSet);
    if (!type || !values || !attribute->at_end()) return reasons::kCsrMalformed;
    if (!oid::equals(type->contents, oid::kExtensionRequest)) continue;
    const auto found = count_extensions(*values);
    if (!found) return reasons::kCsrMalformed;
    extensions += *found;
    if (extensions > kMaxRequestExtensions) return reasons::kCsrTooManyExtensions;
  }
  return {};
}

Result<RequestParts> read_request(BytesView der) {
  DerReaderView outer{der};
  auto request = outer.enter(tag::kSequence);
  if (!request || !outer.at_end() || !is_well_formed_der(der, kMaxDepth)) return refuse(reasons::kCsrMalformed);
  const auto info = request->read(tag::kSequence);
  const auto algorithm = request->read(tag::kSequence);
  const auto signature = request->read_octet_bits();
  if (!info || !algorithm || !signature || !request->at_end()) return refuse(reasons::kCsrMalformed);
  DerReaderView body{info->contents};
  const bool version_zero = body.read_small_unsigned() == 0u;
  const auto subject = body.read(tag::kSequence);
  const auto spki = body.read(tag::kSequence);
  if (!version_zero || !subject || !spki) return refuse(reasons::kCsrMalformed);
  if (!body.at_end()) {  // RFC 2986 has the attributes mandatory, some devices leave an empty set out
    const auto attributes = body.enter(tag::context_constructed(0));
    if (!attributes || !body.at_end()) return refuse(reasons::kCsrMalformed);
    if (const auto reason = check_attributes(*attributes); !reason.empty()) return refuse(reason);
  }
  return RequestParts{info->whole, spki->whole, algorithm->whole, *signature};
}

}  // namespace

Result<CertificateRequest> CertificateRequest::parse_der(BytesView der) {
  if (der.size() > kMaxRequestSize) return refuse(reasons::kCsrTooLarge);
  MUSTER_TRY(const RequestParts parts, read_request(der));
  auto key = PublicKey::parse(parts.spki);
  // Not the device's fault, and another server may take it: said as it is.
  if (!key.ok() && key.error().reason == reasons::kKeyAlgorithmUnavailable) {
    return refuse(reasons::kKeyAlgorithmUnavailable, key.error().detail);
  }
  if (!key.ok()) return refuse(reasons::kCsrKeyUnsupported, std::string(key.error().reason));
  const auto strength = check_key_strength(parts.spki);
  if (!strength.ok()) return refuse(reasons::kCsrKeyWeak, std::string(strength.error().reason));
  const auto possession = key->verify(parts.signature_algorithm, parts.info, parts.signature);
  if (!possession.ok()) return refuse(reasons::kCsrSignatureInvalid, to_log_text(possession.error()));
  return CertificateRequest{std::move(key).value(), parts.spki, sha256(parts.spki)};
}

Result<CertificateRequest> CertificateRequest::parse_pem(std::string_view pem) {
  if (pem.size() > kMaxRequestSize) return refuse(reasons::kCsrTooLarge);
  auto blocks = read_pem_blocks(pem, "CERTIFICATE REQUEST", 1);
  if (!blocks) blocks = read_pem_blocks(pem, "NEW CERTIFICATE REQUEST", 1);
  if (!blocks) return refuse(reasons::kCsrMalformed);
  return parse_der(blocks->front());
}

}  // namespace muster::x509
