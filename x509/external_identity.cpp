// SPDX-License-Identifier: Apache-2.0
#include "x509/external_identity.h"

#include <algorithm>

#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/reasons.h"
#include "x509/sha256.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kSerialNumberAttribute[] = {0x55, 0x04, 0x05};  // 2.5.4.5 [X.520 6.2.9]
constexpr std::uint8_t kDnsName = 2;
constexpr std::uint8_t kUri = 6;

Error refused(std::string_view reason) { return Error{ErrorCode::kPermissionDenied, reason, {}}; }

bool is_text_tag(std::uint8_t tag) {
  return tag == tag::kUtf8String || tag == tag::kPrintableString || tag == tag::kIa5String;
}

SubjectValues alt_names(const Certificate& certificate, std::uint8_t tag) {
  SubjectValues found;
  for (const GeneralName& name : certificate.subject_alt_names()) {
    if (name.tag == tag) found.values.push_back(name.value);
  }
  return found;
}

SubjectValues candidates(const Certificate& certificate, DeviceIdSource source) {
  switch (source) {
    case DeviceIdSource::kUriSan: return alt_names(certificate, kUri);
    case DeviceIdSource::kDnsSan: return alt_names(certificate, kDnsName);
    case DeviceIdSource::kCommonName: return subject_values(certificate, oid::kCommonName);
    case DeviceIdSource::kSerialNumber: return subject_values(certificate, kSerialNumberAttribute);
  }
  return {};
}

// A label of its own keeps the hashes of one use from meaning something in another.
Sha256 labelled_hash(std::string_view label, std::initializer_list<BytesView> parts) {
  Bytes text(label.begin(), label.end());
  for (const BytesView part : parts) {
    text.push_back(0);
    text.insert(text.end(), part.begin(), part.end());
  }
  return sha256(text);
}

RevocationKey head_of(const Sha256& hash) {
  RevocationKey key;
  std::copy_n(hash.begin(), key.size(), key.begin());
  return key;
}

}  // namespace

SubjectValues subject_values(const Certificate& certificate, BytesView attribute_oid) {
  SubjectValues found;
  DerReaderView outer{certificate.subject()};
  auto name = outer.enter(tag::kSequence);
  while (name && !name->at_end()) {
    auto set = name->enter(tag::kSet);
    if (!set) return {{}, false};
    while (!set->at_end()) {
      auto attribute = set->enter(tag::kSequence);
      const auto type = attribute ? attribute->read(tag::kOid) : std::nullopt;
      const auto value = type ? attribute->read_any() : std::nullopt;
      if (!value) return {{}, false};
      if (!oid::equals(type->contents, attribute_oid)) continue;
      found.sound = found.sound && is_text_tag(value->tag);
      found.values.emplace_back(as_text(value->contents));
    }
  }
  return found;
}

Result<DeviceName> read_device_id(const Certificate& certificate, const DeviceIdRule& rule) {
  const SubjectValues found = candidates(certificate, rule.source);
  if (!found.sound) return refused(reasons::kExternalDeviceIdInvalid);
  if (found.values.empty()) return refused(reasons::kExternalDeviceIdMissing);
  if (found.values.size() > 1) return refused(reasons::kExternalDeviceIdAmbiguous);
  const std::string_view value = found.values.front();
  if (!value.starts_with(rule.prefix)) return refused(reasons::kExternalDeviceIdInvalid);
  auto name = DeviceName::parse(value.substr(rule.prefix.size()));
  if (!name.ok()) return refused(reasons::kExternalDeviceIdInvalid);
  return name;
}

Sha256 external_credential_id(const IssuerId& anchor, const DeviceName& device) {
  return labelled_hash("muster external device", {anchor.octets(), as_bytes(device.text())});
}

RevocationKey revocation_key(const Sha256& issuer_spki_sha256, std::string_view serial_hex) {
  return head_of(labelled_hash("muster revoked serial", {issuer_spki_sha256, as_bytes(serial_hex)}));
}

RevocationKey revocation_key(const Sha256& certificate_id) {
  return head_of(labelled_hash("muster revoked certificate", {certificate_id}));
}

}  // namespace muster::x509
