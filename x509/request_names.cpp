// SPDX-License-Identifier: Apache-2.0
#include "x509/request_names.h"

#include "x509/certificate_request.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr int kMaxDepth = 12;

Error malformed() { return Error{ErrorCode::kInvalidArgument, reasons::kCsrMalformed, {}}; }

bool is_text(std::uint8_t tag) {
  return tag == tag::kUtf8String || tag == tag::kPrintableString || tag == tag::kIa5String;
}

// `name` is the contents of a Name. False where it is malformed.
bool read_subject(DerReaderView name, RequestNames& names) {
  std::size_t common_names = 0;
  while (!name.at_end()) {
    auto relative = name.enter(tag::kSet);
    if (!relative || relative->at_end()) return false;
    while (!relative->at_end()) {
      auto attribute = relative->enter(tag::kSequence);
      if (!attribute) return false;
      const auto type = attribute->read(tag::kOid);
      const auto value = attribute->read_any();
      if (!type || !value || !attribute->at_end()) return false;
      ++names.subject_attributes;
      if (!oid::equals(type->contents, oid::kCommonName)) continue;
      ++common_names;
      if (is_text(value->tag)) names.common_name = std::string(as_text(value->contents));
    }
  }
  if (common_names != 1) names.common_name.reset();
  return true;
}

// `extension_value` is the contents of the extension's OCTET STRING.
bool read_alt_names(BytesView extension_value, RequestNames& names) {
  DerReaderView outer{extension_value};
  auto general_names = outer.enter(tag::kSequence);
  if (!general_names || !outer.at_end()) return false;
  if (!names.alt_names) names.alt_names.emplace();
  while (!general_names->at_end()) {
    const auto name = general_names->read_any();
    if (!name || names.alt_names->size() == kMaxGeneralNames) return false;
    names.alt_names->push_back({static_cast<std::uint8_t>(name->tag & 0x1F), std::string(as_text(name->contents))});
  }
  return true;
}

bool read_extensions(DerReaderView values, RequestNames& names) {
  while (!values.at_end()) {
    auto extensions = values.enter(tag::kSequence);
    if (!extensions) return false;
    while (!extensions->at_end()) {
      auto extension = extensions->enter(tag::kSequence);
      if (!extension) return false;
      const auto type = extension->read(tag::kOid);
      if (extension->peek_tag() == tag::kBoolean && !extension->read_boolean()) return false;
      const auto value = extension->read(tag::kOctetString);
      if (!type || !value || !extension->at_end()) return false;
      if (oid::equals(type->contents, oid::kSubjectAltName) && !read_alt_names(value->contents, names)) return false;
    }
  }
  return true;
}

bool read_attributes(DerReaderView attributes, RequestNames& names) {
  while (!attributes.at_end()) {
    auto attribute = attributes.enter(tag::kSequence);
    if (!attribute) return false;
    const auto type = attribute->read(tag::kOid);
    const auto values = attribute->enter(tag::kSet);
    if (!type || !values || !attribute->at_end()) return false;
    if (oid::equals(type->contents, oid::kExtensionRequest) && !read_extensions(*values, names)) return false;
  }
  return true;
}

}  // namespace

Result<RequestNames> read_request_names(BytesView der) {
  if (der.size() > kMaxRequestSize) return Error{ErrorCode::kInvalidArgument, reasons::kCsrTooLarge, {}};
  DerReaderView outer{der};
  auto request = outer.enter(tag::kSequence);
  if (!request || !outer.at_end() || !is_well_formed_der(der, kMaxDepth)) return malformed();
  auto info = request->enter(tag::kSequence);
  if (!info || !info->read_small_unsigned()) return malformed();
  const auto subject = info->enter(tag::kSequence);
  const auto key = info->read(tag::kSequence);
  RequestNames names;
  if (!subject || !key || !read_subject(*subject, names)) return malformed();
  if (info->at_end()) return names;
  const auto attributes = info->enter(tag::context_constructed(0));
  if (!attributes || !info->at_end() || !read_attributes(*attributes, names)) return malformed();
  return names;
}

std::optional<std::string> common_name_of(const Certificate& certificate) {
  DerReaderView outer{certificate.subject()};
  const auto subject = outer.enter(tag::kSequence);
  RequestNames names;
  if (!subject || !read_subject(*subject, names)) return std::nullopt;
  return names.common_name;
}

}  // namespace muster::x509
