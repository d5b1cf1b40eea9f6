// SPDX-License-Identifier: Apache-2.0
#include "x509/ocsp_request.h"

#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::size_t kMaxNonce = 128;
constexpr std::size_t kMaxHash = 64;
constexpr std::size_t kMaxSerial = 64;  // longer ones than RFC 5280 allows are answered, as unknown
constexpr std::size_t kMaxExtensions = 16;
constexpr int kMaxDepth = 16;

std::optional<OcspCertIdView> read_cert_id(DerReaderView& list) {
  const auto element = list.read(tag::kSequence);
  if (!element) return std::nullopt;
  DerReaderView body{element->contents};
  OcspCertIdView id;
  id.whole = element->whole;
  auto algorithm = body.enter(tag::kSequence);
  const auto oid = algorithm ? algorithm->read(tag::kOid) : std::nullopt;
  if (!oid) return std::nullopt;
  if (!algorithm->at_end() && (!algorithm->read(tag::kNull) || !algorithm->at_end())) return std::nullopt;
  id.hash_algorithm = oid->contents;
  const auto name_hash = body.read(tag::kOctetString);
  const auto key_hash = body.read(tag::kOctetString);
  const auto serial = body.read_integer();
  if (!name_hash || !key_hash || !serial || !body.at_end()) return std::nullopt;
  if (name_hash->contents.size() > kMaxHash || key_hash->contents.size() > kMaxHash || serial->size() > kMaxSerial) {
    return std::nullopt;
  }
  id.issuer_name_hash = name_hash->contents;
  id.issuer_key_hash = key_hash->contents;
  const bool sign_octet = serial->size() > 1 && (*serial)[0] == 0;
  const bool negative = ((*serial)[0] & 0x80) != 0;
  id.serial = negative ? BytesView{} : serial->subspan(sign_octet ? 1 : 0);
  return id;
}

// False: malformed, or a critical extension that is not ours.
bool read_extensions(DerReaderView wrapper, OcspRequestView& request) {
  auto list = wrapper.enter(tag::kSequence);
  if (!list || !wrapper.at_end() || list->at_end()) return false;
  for (std::size_t count = 0; !list->at_end(); ++count) {
    auto body = list->enter(tag::kSequence);
    const auto oid = body ? body->read(tag::kOid) : std::nullopt;
    if (!oid || count == kMaxExtensions) return false;
    const bool critical = body->peek_tag() == tag::kBoolean && body->read_boolean().value_or(false);
    const auto value = body->read(tag::kOctetString);
    if (!value || !body->at_end()) return false;
    request.plain = false;
    if (!oid::equals(oid->contents, oid::kOcspNonce)) {
      if (critical) return false;
      continue;
    }
    DerReaderView reader{value->contents};
    const auto nonce = reader.read(tag::kOctetString);
    if (request.nonce || !nonce || !reader.at_end()) return false;
    // [RFC9654 2.1] a nonce of 0 or more than 128 octets MUST be rejected as malformedRequest
    if (nonce->contents.empty() || nonce->contents.size() > kMaxNonce) return false;
    request.nonce = nonce->contents;
  }
  return true;
}

bool read_single(DerReaderView& list, OcspRequestView& request) {
  auto body = list.enter(tag::kSequence);
  if (!body) return false;
  const auto id = read_cert_id(*body);
  if (!id) return false;
  request.certificates.push_back(*id);
  if (body->at_end()) return true;
  // singleRequestExtensions: none is known, so none may be critical, and a nonce does not belong here
  const auto wrapper = body->enter(tag::context_constructed(0));
  OcspRequestView ignored;
  if (!wrapper || !body->at_end() || !read_extensions(*wrapper, ignored)) return false;
  request.plain = false;
  return true;
}

bool read_tbs(DerReaderView tbs, OcspRequestView& request, bool& too_many) {
  if (tbs.peek_tag() == tag::context_constructed(0)) {
    auto version = tbs.enter(tag::context_constructed(0));
    if (!version || version->read_small_unsigned() != 0u || !version->at_end()) return false;
  }
  if (tbs.peek_tag() == tag::context_constructed(1)) {
    if (!tbs.read(tag::context_constructed(1))) return false;
    request.plain = false;
  }
  auto list = tbs.enter(tag::kSequence);
  if (!list || list->at_end()) return false;
  while (!list->at_end()) {
    if (request.certificates.size() == kMaxOcspCertificates) {
      too_many = true;
      return false;
    }
    if (!read_single(*list, request)) return false;
  }
  if (tbs.at_end()) return true;
  const auto extensions = tbs.enter(tag::context_constructed(2));
  return extensions && tbs.at_end() && read_extensions(*extensions, request);
}

}  // namespace

Result<OcspRequestView> parse_ocsp_request(BytesView der) {
  const Error malformed{ErrorCode::kInvalidArgument, reasons::kOcspMalformed, {}};
  DerReaderView outer{der};
  auto body = outer.enter(tag::kSequence);
  if (!body || !outer.at_end() || !is_well_formed_der(der, kMaxDepth)) return malformed;
  const auto tbs = body->enter(tag::kSequence);
  if (!tbs) return malformed;
  if (!body->at_end() && (!body->read(tag::context_constructed(0)) || !body->at_end())) return malformed;
  OcspRequestView request;
  bool too_many = false;
  if (read_tbs(*tbs, request, too_many)) return request;
  if (too_many) return Error{ErrorCode::kInvalidArgument, reasons::kOcspTooManyCertificates, {}};
  return malformed;
}

}  // namespace muster::x509
