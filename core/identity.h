// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the names of tenants and devices and the identity that a certificate carries. Names come from the registry,
// never from a CSR; a name that parses is safe inside a topic, a URI and an MQTT username: no '+', '#', '/', '%', '*',
// control character or non-ASCII octet can be in it (CVE-2017-7650).
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "core/result.h"

namespace muster {

// TenantName matches [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?, does not start with "xn--" and is not reserved
// (is_reserved_tenant_name): it becomes a DNS label in SPIFFE ids and server names.
class TenantName {
 public:
  // Reasons: tenant.name_invalid, tenant.name_reserved.
  static Result<TenantName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  friend auto operator<=>(const TenantName&, const TenantName&) = default;

 private:
  explicit TenantName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// DeviceName matches [A-Za-z0-9][A-Za-z0-9._-]{0,127}.
class DeviceName {
 public:
  // Reason: device.name_invalid.
  static Result<DeviceName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  friend auto operator<=>(const DeviceName&, const DeviceName&) = default;

 private:
  explicit DeviceName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// TrustDomain is a lower-case DNS name of two or more labels or one label, at most 190 octets so that
// "{tenant}.{trust domain}" stays a DNS name.
class TrustDomain {
 public:
  // Reason: config.trust_domain_invalid.
  static Result<TrustDomain> parse(std::string_view text);
  const std::string& text() const { return text_; }
  friend auto operator<=>(const TrustDomain&, const TrustDomain&) = default;

 private:
  explicit TrustDomain(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Principal is "tenant/device": MQTT username, MQTT Client Identifier, log key and audit name.
struct Principal {
  TenantName tenant;
  DeviceName device;
  // Reason: principal.malformed.
  static Result<Principal> parse(std::string_view text);
  std::string text() const { return tenant.text() + "/" + device.text(); }
  friend auto operator<=>(const Principal&, const Principal&) = default;
};

bool is_reserved_tenant_name(std::string_view name);

// device_uri writes the one URI SAN of a device certificate: spiffe://{tenant}.{trust domain}/device/{device}.
std::string device_uri(const Principal& principal, const TrustDomain& trust_domain);

// parse_device_uri accepts exactly what device_uri writes, byte for byte: no userinfo, port, percent sign, case
// folding. OpenSSL's own name-constraint check can be fooled with userinfo, so this comparison is the one that counts.
// Reason: identity.uri_unexpected.
Result<Principal> parse_device_uri(std::string_view uri, const TrustDomain& trust_domain);

}  // namespace muster
