// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a certificate of a customer's own PKI says about its device, and the hashes by which broker and server
// speak of such devices and certificates. The server and the broker plugin run the same code.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/device_id_source.h"
#include "core/id.h"
#include "core/identity.h"
#include "core/record.h"
#include "core/result.h"
#include "x509/certificate.h"

namespace muster::x509 {

struct DeviceIdRule {
  DeviceIdSource source = DeviceIdSource::kCommonName;
  // Octets that must come first in the value and are not part of the id, for example "urn:example:device:"; may be "".
  std::string prefix;
  friend bool operator==(const DeviceIdRule&, const DeviceIdRule&) = default;
};

// read_device_id takes the device id from where the rule says and nowhere else: exactly one value of that kind, the
// prefix byte for byte, the rest a device name (core/identity.h), so that NUL, wildcards and '/' cannot be in it.
// Reasons: external.device_id_missing, external.device_id_ambiguous (two candidates), external.device_id_invalid.
Result<DeviceName> read_device_id(const Certificate& certificate, const DeviceIdRule& rule);

// The subject's values of an attribute type (contents octets of its OID), strings of UTF8String, PrintableString and
// IA5String only; any other string type makes `sound` false.
struct SubjectValues {
  std::vector<std::string> values;
  bool sound = true;
};
SubjectValues subject_values(const Certificate& certificate, BytesView attribute_oid);

// external_credential_id names "this device may come by this anchor". It stands in the snapshot's list of certificates.
Sha256 external_credential_id(const IssuerId& anchor, const DeviceName& device);

// Names a revoked certificate: the first 128 bits of a hash, of (issuer's key, serial) as a CRL gives it, or of the
// certificate itself. A false match refuses, and needs a collision that helps nobody.
using RevocationKey = std::array<std::uint8_t, 16>;
RevocationKey revocation_key(const Sha256& issuer_spki_sha256, std::string_view serial_hex);
RevocationKey revocation_key(const Sha256& certificate_id);

}  // namespace muster::x509
