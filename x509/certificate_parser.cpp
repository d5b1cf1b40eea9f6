// SPDX-License-Identifier: Apache-2.0
#include "x509/certificate_parser.h"

#include <algorithm>

#include "core/encoding.h"
#include "x509/oids.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::x509 {

namespace {

constexpr std::string_view kOk;
constexpr std::string_view kMalformed = reasons::kCertificateMalformed;
constexpr int kMaxNameDepth = 6;  // Name → RDN → AttributeTypeAndValue → string is 3; directory names nest once more
constexpr std::size_t kMaxSerialOctets = 20;  // [RFC5280 4.1.2.2]

// rfc822Name, dNSName and URI are IA5Strings: NUL or an octet outside ASCII is how one name is shown as another.
bool is_text_name_invalid(const GeneralName& name) {
  const bool is_text = name.tag == 1 || name.tag == 2 || name.tag == 6;
  return is_text && std::ranges::any_of(as_bytes(name.value), [](std::uint8_t c) { return c <= 0x20 || c >= 0x7F; });
}

bool read_general_names(DerReaderView names, std::vector<GeneralName>& out) {
  while (!names.at_end()) {
    const auto name = names.read_any();
    if (!name || (name->tag & 0xC0) != 0x80 || out.size() == kMaxGeneralNames) return false;
    out.push_back({static_cast<std::uint8_t>(name->tag & 0x1F), std::string(as_text(name->contents))});
  }
  return true;
}

bool read_subtrees(DerReaderView subtrees, std::vector<GeneralName>& out) {
  if (subtrees.at_end()) return false;
  while (!subtrees.at_end()) {
    auto subtree = subtrees.enter(tag::kSequence);
    if (!subtree || subtree->at_end()) return false;
    const auto base = subtree->read_any();
    // [RFC5280 4.2.1.10] minimum MUST be zero (so absent in DER) and maximum MUST be absent
    if (!base || !subtree->at_end() || (base->tag & 0xC0) != 0x80 || out.size() == kMaxGeneralNames) return false;
    out.push_back({static_cast<std::uint8_t>(base->tag & 0x1F), std::string(as_text(base->contents))});
  }
  return true;
}

ExtendedKeyUsage to_extended_key_usage(BytesView oid) {
  if (oid::equals(oid, oid::kClientAuth)) return ExtendedKeyUsage::kClientAuth;
  if (oid::equals(oid, oid::kServerAuth)) return ExtendedKeyUsage::kServerAuth;
  if (oid::equals(oid, oid::kAnyExtendedKeyUsage)) return ExtendedKeyUsage::kAny;
  if (oid::equals(oid, oid::kOcspSigning)) return ExtendedKeyUsage::kOcspSigning;
  return ExtendedKeyUsage::kOther;
}

}  // namespace

Result<Certificate> CertificateParser::parse(BytesView der) {
  if (der.size() > kMaxCertificateSize) return Error{ErrorCode::kInvalidArgument, reasons::kCertificateTooLarge, {}};
  state_->der.assign(der.begin(), der.end());
  const std::string_view reason = read_certificate();
  if (!reason.empty()) return Error{ErrorCode::kInvalidArgument, reason, {}};
  state_->id = sha256(state_->der);
  state_->spki_sha256 = sha256(state_->spki);
  return Certificate{std::move(state_)};
}

std::string_view CertificateParser::read_certificate() {
  DerReaderView outer{state_->der};
  auto certificate = outer.enter(tag::kSequence);
  if (!certificate || !outer.at_end()) return kMalformed;
  const auto tbs = certificate->read(tag::kSequence);
  if (!tbs) return kMalformed;
  const auto algorithm = certificate->read(tag::kSequence);
  if (!algorithm) return kMalformed;
  const auto signature = certificate->read_octet_bits();
  if (!signature || !certificate->at_end()) return kMalformed;
  state_->tbs = tbs->whole;
  state_->signature_algorithm = algorithm->whole;
  state_->signature = *signature;
  return read_tbs(DerReaderView{tbs->contents});
}

std::string_view CertificateParser::read_tbs(DerReaderView tbs) {
  auto version = tbs.enter(tag::context_constructed(0));
  if (!version) return reasons::kCertificateVersionUnsupported;  // absent means v1
  if (version->read_small_unsigned() != 2u || !version->at_end()) return reasons::kCertificateVersionUnsupported;
  if (const auto reason = read_serial(tbs); !reason.empty()) return reason;
  const auto algorithm = tbs.read(tag::kSequence);
  if (!algorithm) return kMalformed;
  // [RFC5280 4.1.1.2] both fields MUST hold the same algorithm identifier
  if (!std::ranges::equal(algorithm->whole, state_->signature_algorithm)) return reasons::kCertificateAlgorithmMismatch;
  if (const auto reason = read_names_and_validity(tbs); !reason.empty()) return reason;
  const auto spki = tbs.read(tag::kSequence);
  if (!spki) return kMalformed;
  state_->spki = spki->whole;
  if (archaic_) {
    tbs.read(tag::context(1));  // issuerUniqueID
    tbs.read(tag::context(2));  // subjectUniqueID
  }
  if (tbs.at_end()) return kOk;
  auto extensions = tbs.enter(tag::context_constructed(3));  // else unique identifiers [1], [2] are refused here
  if (!extensions || !tbs.at_end()) return kMalformed;
  const auto list = extensions->enter(tag::kSequence);
  if (!list || !extensions->at_end() || list->at_end()) return kMalformed;
  return read_extensions(*list);
}

std::string_view CertificateParser::read_serial(DerReaderView& tbs) {
  const auto serial = tbs.read_integer();
  if (!serial) return kMalformed;
  const bool positive = ((*serial)[0] & 0x80) == 0 && !(serial->size() == 1 && (*serial)[0] == 0);
  const bool allowed = positive && serial->size() <= kMaxSerialOctets;
  if (!allowed && !archaic_) return reasons::kCertificateSerialInvalid;
  const bool negative = ((*serial)[0] & 0x80) != 0;
  const bool sign_octet = (*serial)[0] == 0 && serial->size() > 1;
  state_->serial_hex = (negative ? "-" : "") + to_hex(sign_octet ? serial->subspan(1) : *serial);
  return kOk;
}

std::string_view CertificateParser::read_names_and_validity(DerReaderView& tbs) {
  const auto issuer = tbs.read(tag::kSequence);
  if (!issuer || !is_well_formed_der(issuer->contents, kMaxNameDepth)) return kMalformed;
  state_->issuer = issuer->whole;
  auto validity = tbs.enter(tag::kSequence);
  if (!validity) return kMalformed;
  const auto not_before = validity->read_time();
  const auto not_after = validity->read_time();
  if (!not_before || !not_after || !validity->at_end()) return reasons::kCertificateTimeInvalid;
  state_->not_before = *not_before;
  state_->not_after = *not_after;
  const auto subject = tbs.read(tag::kSequence);
  if (!subject || !is_well_formed_der(subject->contents, kMaxNameDepth)) return kMalformed;
  state_->subject = subject->whole;
  return kOk;
}

std::string_view CertificateParser::read_extensions(DerReaderView list) {
  while (!list.at_end()) {
    if (seen_oids_.size() == kMaxCertificateExtensions) return reasons::kCertificateTooManyExtensions;
    const auto extension = list.enter(tag::kSequence);
    if (!extension) return kMalformed;
    if (const auto reason = read_extension(*extension); !reason.empty()) return reason;
  }
  return kOk;
}

std::string_view CertificateParser::read_extension(DerReaderView extension) {
  const auto oid = extension.read(tag::kOid);
  if (!oid) return kMalformed;
  bool critical = false;
  if (extension.peek_tag() == tag::kBoolean) {
    const auto flag = extension.read_boolean();
    if (!flag) return kMalformed;
    critical = *flag;  // an explicit FALSE is not DER, but many CAs write it and nothing depends on it
  }
  const auto value = extension.read(tag::kOctetString);
  if (!value || !extension.at_end()) return kMalformed;
  for (const BytesView seen : seen_oids_) {
    if (oid::equals(seen, oid->contents)) return reasons::kCertificateExtensionDuplicate;
  }
  seen_oids_.push_back(oid->contents);
  return read_known(oid->contents, value->contents, critical);
}

std::string_view CertificateParser::read_known(BytesView oid, BytesView value, bool critical) {
  if (oid::equals(oid, oid::kSubjectAltName)) return read_subject_alt_name(value);
  if (oid::equals(oid, oid::kBasicConstraints)) return read_basic_constraints(value) ? kOk : kMalformed;
  if (oid::equals(oid, oid::kKeyUsage)) return read_key_usage(value) ? kOk : kMalformed;
  if (oid::equals(oid, oid::kExtendedKeyUsage)) return read_extended_key_usage(value) ? kOk : kMalformed;
  if (oid::equals(oid, oid::kNameConstraints)) return read_name_constraints(value, critical) ? kOk : kMalformed;
  if (oid::equals(oid, oid::kSubjectKeyId) || oid::equals(oid, oid::kAuthorityKeyId)) {
    return read_key_ids(oid, value) ? kOk : kMalformed;
  }
  if (critical && !oid::equals(oid, oid::kCertificatePolicies)) state_->unknown_critical.push_back(oid_text(oid));
  return kOk;
}

bool CertificateParser::read_basic_constraints(BytesView value) {
  DerReaderView outer{value};
  auto constraints = outer.enter(tag::kSequence);
  if (!constraints || !outer.at_end()) return false;
  if (constraints->peek_tag() == tag::kBoolean) {
    const auto is_ca = constraints->read_boolean();
    if (!is_ca) return false;
    state_->is_ca = *is_ca;
  }
  if (constraints->at_end()) return true;
  // [RFC5280 4.2.1.9] pathLenConstraint only where cA is asserted
  state_->path_length = constraints->read_small_unsigned();
  return state_->is_ca && state_->path_length.has_value() && constraints->at_end();
}

bool CertificateParser::read_key_usage(BytesView value) {
  DerReaderView outer{value};
  const auto bits = outer.read(tag::kBitString);
  if (!bits || !outer.at_end() || bits->contents.size() < 2 || bits->contents.size() > 3) return false;
  const unsigned unused = bits->contents[0];
  const std::uint8_t last = bits->contents.back();
  // DER drops trailing zero bits; [RFC5280 4.2.1.3] at least one bit MUST be set
  if (unused > 7 || (last & ((1u << unused) - 1)) != 0 || ((last >> unused) & 1) == 0) return false;
  std::uint16_t usage = 0;
  for (unsigned bit = 0; bit < 8 * (bits->contents.size() - 1); ++bit) {
    if ((bits->contents[1 + bit / 8] & (0x80 >> (bit % 8))) != 0) usage |= static_cast<std::uint16_t>(1u << bit);
  }
  state_->key_usage = usage;
  return true;
}

bool CertificateParser::read_extended_key_usage(BytesView value) {
  DerReaderView outer{value};
  auto usages = outer.enter(tag::kSequence);
  if (!usages || !outer.at_end() || usages->at_end()) return false;
  while (!usages->at_end()) {
    const auto oid = usages->read(tag::kOid);
    if (!oid || state_->extended_key_usages.size() == kMaxGeneralNames) return false;
    state_->extended_key_usages.push_back(to_extended_key_usage(oid->contents));
  }
  state_->has_extended_key_usage = true;
  return true;
}

bool CertificateParser::read_name_constraints(BytesView value, bool critical) {
  DerReaderView outer{value};
  auto both = outer.enter(tag::kSequence);
  if (!both || !outer.at_end() || both->at_end()) return false;
  NameConstraints constraints;
  constraints.critical = critical;
  if (const auto permitted = both->enter(tag::context_constructed(0))) {
    if (!read_subtrees(*permitted, constraints.permitted)) return false;
  }
  if (const auto excluded = both->enter(tag::context_constructed(1))) {
    if (!read_subtrees(*excluded, constraints.excluded)) return false;
  }
  if (!both->at_end()) return false;
  state_->name_constraints = std::move(constraints);
  return true;
}

bool CertificateParser::read_key_ids(BytesView oid, BytesView value) {
  DerReaderView outer{value};
  if (oid::equals(oid, oid::kSubjectKeyId)) {
    const auto id = outer.read(tag::kOctetString);
    if (!id || !outer.at_end()) return false;
    state_->subject_key_id = id->contents;
    return true;
  }
  auto authority = outer.enter(tag::kSequence);
  if (!authority || !outer.at_end()) return false;
  if (const auto id = authority->read(tag::context(0))) state_->authority_key_id = id->contents;
  while (!authority->at_end()) {
    if (!authority->read_any()) return false;
  }
  return true;
}

std::string_view CertificateParser::read_subject_alt_name(BytesView value) {
  DerReaderView outer{value};
  const auto names = outer.enter(tag::kSequence);
  if (!names || !outer.at_end() || names->at_end()) return kMalformed;
  if (!read_general_names(*names, state_->subject_alt_names)) return reasons::kCertificateSanInvalid;
  const bool invalid = std::ranges::any_of(state_->subject_alt_names, is_text_name_invalid);
  return invalid ? reasons::kCertificateSanInvalid : kOk;
}

}  // namespace muster::x509
