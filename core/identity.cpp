// SPDX-License-Identifier: Apache-2.0
#include "core/identity.h"

#include <algorithm>
#include <array>

namespace muster {
namespace {

constexpr std::size_t kMaxTenantName = 63;   // RFC 1035 §2.3.4: a DNS label
constexpr std::size_t kMaxDeviceName = 128;  // design.md §4
constexpr std::size_t kMaxTrustDomain = 190;

// Names that mean something else in a host name, a path or a topic.
constexpr std::array<std::string_view, 18> kReserved = {"admin",  "api",  "audit",  "broker",  "ca",      "console",
                                                        "crl",    "edge", "est",    "healthz", "metrics", "mqtt",
                                                        "muster", "ocsp", "readyz", "server",  "system",  "www"};

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_dns_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxTenantName) return false;
  if (!is_lower_alnum(label.front()) || !is_lower_alnum(label.back())) return false;
  return std::ranges::all_of(label, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

}  // namespace

bool is_reserved_tenant_name(std::string_view name) { return std::ranges::find(kReserved, name) != kReserved.end(); }

Result<TenantName> TenantName::parse(std::string_view text) {
  if (!is_dns_label(text) || text.starts_with("xn--")) {
    return Error{ErrorCode::kInvalidArgument, "tenant.name_invalid",
                 "a tenant name is 1 to 63 of a-z, 0-9 and inner '-', and does not start with xn--"};
  }
  if (is_reserved_tenant_name(text)) {
    return Error{ErrorCode::kInvalidArgument, "tenant.name_reserved", "this name is reserved: choose another"};
  }
  return TenantName{std::string{text}};
}

Result<DeviceName> DeviceName::parse(std::string_view text) {
  const bool ok = !text.empty() && text.size() <= kMaxDeviceName && is_alnum(text.front()) &&
                  std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
  if (!ok) {
    return Error{ErrorCode::kInvalidArgument, "device.name_invalid",
                 "a device name is 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-', and starts with a letter or digit"};
  }
  return DeviceName{std::string{text}};
}

Result<TrustDomain> TrustDomain::parse(std::string_view text) {
  const Error invalid{ErrorCode::kInvalidArgument, "config.trust_domain_invalid",
                      "a trust domain is a lower-case DNS name of at most 190 characters"};
  if (text.empty() || text.size() > kMaxTrustDomain) return invalid;
  std::string_view rest = text;
  for (;;) {
    const std::size_t dot = rest.find('.');
    if (!is_dns_label(rest.substr(0, dot))) return invalid;
    if (dot == std::string_view::npos) return TrustDomain{std::string{text}};
    rest.remove_prefix(dot + 1);
  }
}

Result<Principal> Principal::parse(std::string_view text) {
  const Error malformed{ErrorCode::kInvalidArgument, "principal.malformed", "a principal is tenant/device"};
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return malformed;
  auto tenant = TenantName::parse(text.substr(0, slash));
  auto device = DeviceName::parse(text.substr(slash + 1));
  if (!tenant.ok() || !device.ok()) return malformed;
  return Principal{std::move(tenant).value(), std::move(device).value()};
}

std::string device_uri(const Principal& principal, const TrustDomain& trust_domain) {
  return "spiffe://" + principal.tenant.text() + "." + trust_domain.text() + "/device/" + principal.device.text();
}

Result<Principal> parse_device_uri(std::string_view uri, const TrustDomain& trust_domain) {
  const Error unexpected{ErrorCode::kPermissionDenied, "identity.uri_unexpected", ""};
  constexpr std::string_view kScheme = "spiffe://";
  const std::string middle = "." + trust_domain.text() + "/device/";
  if (!uri.starts_with(kScheme)) return unexpected;
  const std::string_view rest = uri.substr(kScheme.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || !rest.substr(dot).starts_with(middle)) return unexpected;
  auto tenant = TenantName::parse(rest.substr(0, dot));
  auto device = DeviceName::parse(rest.substr(dot + middle.size()));
  if (!tenant.ok() || !device.ok()) return unexpected;
  return Principal{std::move(tenant).value(), std::move(device).value()};
}

}  // namespace muster
