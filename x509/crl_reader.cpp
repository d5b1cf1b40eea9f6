// SPDX-License-Identifier: Apache-2.0
#include "x509/crl_reader.h"

#include "core/encoding.h"
#include "x509/distinguished_name.h"
#include "x509/extension_reader.h"
#include "x509/oids.h"
#include "x509/path_extensions.h"
#include "x509/path_oids.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::size_t kMaxNumberOctets = 21;  // 20 by RFC 5280 §4.1.2.2 and §5.2.3, and a sign octet
constexpr std::uint8_t kUnusedReason = 7, kLastReason = 10;

// An INTEGER as serial_hex: negative ones, which other CAs have issued, begin with "-" so that they equal no other.
std::optional<std::string> read_number(DerReaderView& reader) {
  const auto number = reader.read_integer();
  if (!number || number->size() > kMaxNumberOctets) return std::nullopt;
  if (((*number)[0] & 0x80) != 0) return "-" + to_hex(*number);
  return to_hex((*number)[0] == 0 && number->size() > 1 ? number->subspan(1) : *number);
}

std::optional<std::string> read_only_number(BytesView value) {
  DerReaderView reader{value};
  auto number = read_number(reader);
  if (!number || !reader.at_end() || number->starts_with('-')) return std::nullopt;
  return number;
}

std::optional<std::uint8_t> read_reason_code(BytesView value) {
  DerReaderView reader{value};
  const auto code = reader.read(tag::kEnumerated);
  if (!code || !reader.at_end() || code->contents.size() != 1) return std::nullopt;
  const std::uint8_t reason = code->contents[0];
  if (reason == kUnusedReason || reason > kLastReason) return std::nullopt;
  return reason;
}

// [1]… IMPLICIT BOOLEAN DEFAULT FALSE: present in DER only as TRUE
std::optional<bool> read_flag(DerReaderView& reader, std::uint8_t number) {
  if (reader.peek_tag() != tag::context(number)) return false;
  const auto flag = reader.read(tag::context(number));
  if (!flag || flag->contents.size() != 1 || flag->contents[0] != 0xFF) return std::nullopt;
  return true;
}

// CrlReader fills one CrlDocument; its functions return false where the CRL is malformed. Used once.
class CrlReader {
 public:
  explicit CrlReader(CrlDocument& crl) : crl_(crl) {}

  bool read(BytesView der) {
    DerReaderView outer{der};
    auto body = outer.enter(tag::kSequence);
    if (!body || !outer.at_end()) return false;
    const auto tbs = body->read(tag::kSequence);
    const auto algorithm = body->read(tag::kSequence);
    const auto signature = body->read_octet_bits();
    if (!tbs || !algorithm || !signature || !body->at_end()) return false;
    crl_.tbs = tbs->whole;
    crl_.signature_algorithm = algorithm->whole;
    crl_.signature = *signature;
    return read_tbs(DerReaderView{tbs->contents});
  }

 private:
  bool read_tbs(DerReaderView tbs) {
    if (tbs.peek_tag() == tag::kInteger) {
      if (tbs.read_small_unsigned() != 1u) return false;  // v1 is said by leaving the version out
      crl_.is_v2 = true;
    }
    const auto algorithm = tbs.read(tag::kSequence);
    const auto issuer = tbs.read(tag::kSequence);
    // [RFC5280 5.1.1.2] both fields MUST hold the same algorithm identifier
    if (!algorithm || !issuer || !oid::equals(algorithm->whole, crl_.signature_algorithm)) return false;
    crl_.issuer = issuer->whole;
    if (!DistinguishedName::parse(crl_.issuer)) return false;
    const auto this_update = tbs.read_time();
    if (!this_update) return false;
    crl_.this_update = *this_update;
    if (tbs.peek_tag() == tag::kUtcTime || tbs.peek_tag() == tag::kGeneralizedTime) {
      crl_.next_update = tbs.read_time();
      if (!crl_.next_update) return false;
    }
    // The scope comes after the entries, which only an indirect CRL may give to other issuers.
    std::optional<DerReaderView> entries;
    if (tbs.peek_tag() == tag::kSequence) {
      entries = tbs.enter(tag::kSequence);
      if (!entries || entries->at_end()) return false;  // [RFC5280 5.1.2.6] absent when there are none
    }
    return read_crl_extensions(tbs) && tbs.at_end() && (!entries || read_entries(*entries));
  }

  bool read_crl_extensions(DerReaderView& tbs) {
    if (tbs.at_end()) return true;
    auto wrapper = tbs.enter(tag::context_constructed(0));
    auto list = wrapper && crl_.is_v2 ? wrapper->enter(tag::kSequence) : std::nullopt;
    if (!list || !wrapper->at_end() || list->at_end()) return false;
    std::vector<BytesView> seen;
    while (!list->at_end()) {
      const auto extension = read_extension(*list);
      if (!extension || seen.size() == kMaxCertificateExtensions) return false;
      for (const BytesView oid : seen) {
        if (oid::equals(oid, extension->oid)) return false;
      }
      seen.push_back(extension->oid);
      if (!read_crl_extension(*extension)) return false;
    }
    return true;
  }

  bool read_crl_extension(const ExtensionView& extension) {
    if (oid::equals(extension.oid, oid::kCrlNumber)) {
      auto number = read_only_number(extension.value);
      crl_.number_hex = number.value_or("");
      crl_.number_is_critical = extension.critical;
      return number.has_value();
    }
    if (oid::equals(extension.oid, oid::kDeltaCrlIndicator)) {
      crl_.base_number_hex = read_only_number(extension.value);
      return crl_.base_number_hex.has_value();
    }
    if (oid::equals(extension.oid, oid::kIssuingDistributionPoint)) return read_scope(extension.value);
    if (extension.critical) crl_.unknown_critical = oid_text(extension.oid);
    return true;
  }

  bool read_scope(BytesView value) {
    DerReaderView outer{value};
    auto point = outer.enter(tag::kSequence);
    if (!point || !outer.at_end() || point->at_end()) return false;  // [RFC5280 5.2.5] not an empty sequence
    CrlScope& scope = crl_.scope;
    if (const auto name = point->enter(tag::context_constructed(0))) {
      auto names = read_distribution_point_name(*name, crl_.issuer);
      if (!names) return false;
      scope.names = std::move(*names);
      scope.is_distribution_point = true;
    }
    const auto users = read_flag(*point, 1);
    const auto cas = read_flag(*point, 2);
    if (const auto flags = point->read(tag::context(3))) {
      const auto reasons = read_reason_flags(flags->contents);
      if (!reasons) return false;
      scope.reasons = *reasons & kAllRevocationReasons;
    }
    const auto indirect = read_flag(*point, 4);
    const auto attributes = read_flag(*point, 5);
    if (!users || !cas || !indirect || !attributes || !point->at_end()) return false;
    if (*users + *cas + *attributes > 1) return false;
    scope.only_user_certificates = *users;
    scope.only_ca_certificates = *cas;
    scope.indirect = *indirect;
    crl_.only_attribute_certificates = *attributes;
    return true;
  }

  bool read_entries(DerReaderView list) {
    while (!list.at_end()) {
      auto body = list.enter(tag::kSequence);
      const auto serial = body ? read_number(*body) : std::nullopt;
      const auto revoked_at = serial ? body->read_time() : std::nullopt;
      if (!revoked_at) return false;
      CrlEntry entry{*serial, *revoked_at, 0};
      if (!body->at_end() && !read_entry_extensions(*body, entry)) return false;
      if (!foreign_) crl_.entries.push_back(std::move(entry));
    }
    return true;
  }

  bool read_entry_extensions(DerReaderView& body, CrlEntry& entry) {
    auto list = crl_.is_v2 ? body.enter(tag::kSequence) : std::nullopt;
    if (!list || !body.at_end() || list->at_end()) return false;
    while (!list->at_end()) {
      const auto extension = read_extension(*list);
      if (!extension) return false;
      if (oid::equals(extension->oid, oid::kReasonCode)) {
        const auto code = read_reason_code(extension->value);
        if (!code) return false;
        entry.reason_code = *code;
      } else if (crl_.scope.indirect && oid::equals(extension->oid, oid::kCertificateIssuer)) {
        const auto own = names_own_issuer(extension->value);
        if (!own) return false;
        foreign_ = !*own;
      } else if (extension->critical) {
        crl_.unknown_critical = oid_text(extension->oid);
      }
    }
    return true;
  }

  // [RFC5280 5.3.3] the certificateIssuer of an entry holds for the entries after it, too
  std::optional<bool> names_own_issuer(BytesView value) const {
    DerReaderView outer{value};
    auto names = outer.enter(tag::kSequence);
    if (!names || !outer.at_end() || names->at_end()) return std::nullopt;
    bool own = false;
    while (!names->at_end()) {
      const auto name = names->read_any();
      if (!name) return std::nullopt;
      own = own || (name->tag == tag::context_constructed(4) && is_same_name(name->contents, crl_.issuer));
    }
    return own;
  }

  CrlDocument& crl_;
  bool foreign_ = false;  // the entries read now are another issuer's
};

}  // namespace

Result<CrlDocument> read_crl(BytesView der) {
  if (der.size() > kMaxCrlSize) return Error{ErrorCode::kInvalidArgument, reasons::kCrlTooLarge, {}};
  CrlDocument crl;
  if (!CrlReader{crl}.read(der)) return Error{ErrorCode::kInvalidArgument, reasons::kCrlMalformed, {}};
  return crl;
}

bool crl_number_less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;  // minimal INTEGERs, two digits an octet
}

}  // namespace muster::x509
