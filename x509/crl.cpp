// SPDX-License-Identifier: Apache-2.0
#include "x509/crl.h"

#include "core/encoding.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

struct ExtensionView {
  BytesView oid;
  BytesView value;
  bool critical = false;
};

std::optional<ExtensionView> read_extension(DerReaderView& list) {
  auto body = list.enter(tag::kSequence);
  if (!body) return std::nullopt;
  ExtensionView extension;
  const auto oid = body->read(tag::kOid);
  if (!oid) return std::nullopt;
  extension.oid = oid->contents;
  if (body->peek_tag() == tag::kBoolean) {
    const auto critical = body->read_boolean();
    if (!critical) return std::nullopt;
    extension.critical = *critical;
  }
  const auto value = body->read(tag::kOctetString);
  if (!value || !body->at_end()) return std::nullopt;
  extension.value = value->contents;
  return extension;
}

std::optional<std::string> serial_text(DerReaderView& reader) {
  const auto serial = reader.read_integer();
  if (!serial || ((*serial)[0] & 0x80) != 0) return std::nullopt;
  return to_hex((*serial)[0] == 0 && serial->size() > 1 ? serial->subspan(1) : *serial);
}

std::optional<std::uint8_t> read_reason_code(BytesView value) {
  DerReaderView reader{value};
  const auto code = reader.read(tag::kEnumerated);
  if (!code || !reader.at_end() || code->contents.size() != 1) return std::nullopt;
  return code->contents[0];
}

std::optional<CrlEntry> read_entry(DerReaderView& list) {
  auto body = list.enter(tag::kSequence);
  if (!body) return std::nullopt;
  const auto serial = serial_text(*body);
  const auto revoked_at = body->read_time();
  if (!serial || !revoked_at) return std::nullopt;
  CrlEntry entry{*serial, *revoked_at, 0};
  if (body->at_end()) return entry;
  auto extensions = body->enter(tag::kSequence);
  if (!extensions || !body->at_end()) return std::nullopt;
  while (!extensions->at_end()) {
    const auto extension = read_extension(*extensions);
    if (!extension) return std::nullopt;
    if (oid::equals(extension->oid, oid::kReasonCode)) {
      const auto code = read_reason_code(extension->value);
      if (!code) return std::nullopt;
      entry.reason_code = *code;
    } else if (extension->critical) {
      return std::nullopt;  // certificateIssuer: an indirect CRL, which nobody here makes
    }
  }
  return entry;
}

// IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0] { fullName [0] { [6] URI } }, … }
std::optional<std::string> read_distribution_uri(BytesView value) {
  DerReaderView outer{value};
  auto point = outer.enter(tag::kSequence);
  if (!point || !outer.at_end()) return std::nullopt;
  auto name = point->enter(tag::context_constructed(0));
  if (!name || !point->at_end()) return std::nullopt;  // partial scopes would need to be honoured
  auto full = name->enter(tag::context_constructed(0));
  if (!full) return std::nullopt;
  const auto uri = full->read(tag::context(6));
  if (!uri) return std::nullopt;
  return std::string(as_text(uri->contents));
}

std::string_view read_extensions(DerReaderView list, Crl& crl) {
  while (!list.at_end()) {
    const auto extension = read_extension(list);
    if (!extension) return reasons::kCrlMalformed;
    if (oid::equals(extension->oid, oid::kCrlNumber)) {
      DerReaderView reader{extension->value};
      const auto number = serial_text(reader);
      if (!number || !reader.at_end()) return reasons::kCrlMalformed;
      crl.number_hex = *number;
    } else if (oid::equals(extension->oid, oid::kIssuingDistributionPoint)) {
      const auto uri = read_distribution_uri(extension->value);
      if (!uri) return reasons::kCrlExtensionUnsupported;
      crl.distribution_uri = *uri;
    } else if (extension->critical) {
      return reasons::kCrlExtensionUnsupported;
    }
  }
  return {};
}

std::string_view read_tbs(DerReaderView tbs, Crl& crl) {
  const auto version = tbs.read_small_unsigned();
  const auto algorithm = tbs.read(tag::kSequence);
  const auto issuer = tbs.read(tag::kSequence);
  if (version != 1u || !algorithm || !issuer || !oid::equals(algorithm->whole, crl.signature_algorithm)) {
    return reasons::kCrlMalformed;
  }
  crl.issuer.assign(issuer->whole.begin(), issuer->whole.end());
  const auto this_update = tbs.read_time();
  const auto next_update = tbs.read_time();
  if (!this_update || !next_update) return reasons::kCrlMalformed;
  crl.this_update = *this_update;
  crl.next_update = *next_update;
  if (auto entries = tbs.enter(tag::kSequence)) {
    while (!entries->at_end()) {
      const auto entry = read_entry(*entries);
      if (!entry) return reasons::kCrlMalformed;
      crl.entries.push_back(*entry);
    }
  }
  auto wrapper = tbs.enter(tag::context_constructed(0));
  const auto extensions = wrapper ? wrapper->enter(tag::kSequence) : std::nullopt;
  if (!extensions || !wrapper->at_end() || !tbs.at_end()) return reasons::kCrlMalformed;
  return read_extensions(*extensions, crl);
}

}  // namespace

Result<Crl> Crl::parse_der(BytesView der) {
  if (der.size() > kMaxCrlSize) return Error{ErrorCode::kInvalidArgument, reasons::kCrlTooLarge, {}};
  const Error malformed{ErrorCode::kInvalidArgument, reasons::kCrlMalformed, {}};
  DerReaderView outer{der};
  auto body = outer.enter(tag::kSequence);
  if (!body || !outer.at_end()) return malformed;
  const auto tbs = body->read(tag::kSequence);
  const auto algorithm = body->read(tag::kSequence);
  const auto signature = body->read_octet_bits();
  if (!tbs || !algorithm || !signature || !body->at_end()) return malformed;
  Crl crl;
  crl.tbs.assign(tbs->whole.begin(), tbs->whole.end());
  crl.signature_algorithm.assign(algorithm->whole.begin(), algorithm->whole.end());
  crl.signature.assign(signature->begin(), signature->end());
  const auto reason = read_tbs(DerReaderView{tbs->contents}, crl);
  if (!reason.empty()) return Error{ErrorCode::kInvalidArgument, reason, {}};
  return crl;
}

}  // namespace muster::x509
