// SPDX-License-Identifier: Apache-2.0
#include "x509/name_constraints.h"

#include <algorithm>
#include <optional>

#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kDnsTag = 2;
constexpr std::uint8_t kUriTag = 6;

// The host of "scheme://host/path". There is no URI parser here on purpose: an authority with userinfo, a port, a
// percent sign or brackets has no host for us, so it violates every constraint (OpenSSL's check takes
// "spiffe://acme.td:x@beta.td/" for one of acme.td).
std::optional<std::string_view> plain_host(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  std::string_view host = uri.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  const bool plain = !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!plain) return std::nullopt;
  return host;
}

bool is_below(std::string_view host, std::string_view domain) {
  return host.size() > domain.size() + 1 && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.';
}

bool matches(const GeneralName& name, std::string_view base) {
  if (name.tag == kDnsTag) return name.value == base || base.empty() || is_below(name.value, base);
  const auto host = plain_host(name.value);
  if (!host) return false;
  if (base.starts_with('.')) return is_below(*host, base.substr(1));
  return *host == base;
}

bool is_supported(const GeneralName& constraint) { return constraint.tag == kDnsTag || constraint.tag == kUriTag; }

bool is_any_of(const GeneralName& name, const std::vector<GeneralName>& subtrees) {
  return std::ranges::any_of(subtrees,
                             [&](const GeneralName& s) { return s.tag == name.tag && matches(name, s.value); });
}

bool is_hostless_uri(const GeneralName& name) { return name.tag == kUriTag && !plain_host(name.value); }

}  // namespace

std::string_view check_names(const std::vector<GeneralName>& names, const NameConstraints& constraints) {
  if (!std::ranges::all_of(constraints.permitted, is_supported) ||
      !std::ranges::all_of(constraints.excluded, is_supported)) {
    return reasons::kChainNameConstraintUnsupported;
  }
  for (const GeneralName& name : names) {
    const auto same_form = [&](const GeneralName& s) { return s.tag == name.tag; };
    const bool restricted = std::ranges::any_of(constraints.permitted, same_form);
    if (restricted && !is_any_of(name, constraints.permitted)) return reasons::kChainNameConstraintViolated;
    // A URI whose host we cannot read might be the excluded one.
    const bool excludable = std::ranges::any_of(constraints.excluded, same_form);
    if (excludable && (is_hostless_uri(name) || is_any_of(name, constraints.excluded))) {
      return reasons::kChainNameConstraintViolated;
    }
  }
  return {};
}

}  // namespace muster::x509
