// SPDX-License-Identifier: Apache-2.0
#include "enroll/trust_anchor_checks.h"

#include <algorithm>

#include "enroll/reasons.h"
#include "registry/device_store.h"
#include "x509/external_chain.h"
#include "x509/public_key.h"
#include "x509/trust_anchor.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxDenied = 1000;
constexpr std::size_t kMaxPrefix = 256;
constexpr std::int64_t kMostDevices = 10'000'000;
constexpr std::int64_t kMostPerMinute = 100'000;

Error invalid(std::string_view reason, std::string detail = {}) {
  return Error{ErrorCode::kInvalidArgument, reason, std::move(detail)};
}

Result<void> check_ca(const x509::Certificate& certificate, std::size_t index, UtcTime now) {
  const std::string which = "certificate " + std::to_string(index);
  if (!certificate.is_ca() || !certificate.allows(x509::KeyUsageBit::kKeyCertSign)) {
    return invalid(reasons::kAnchorNotACa, which);
  }
  if (now > certificate.not_after() || now < certificate.not_before()) {
    return invalid(reasons::kAnchorNotValid, which + " is valid from " + to_rfc3339(certificate.not_before()) + " to " +
                                                 to_rfc3339(certificate.not_after()));
  }
  const auto key = x509::PublicKey::parse(certificate.spki());
  if (!key.ok()) return invalid(reasons::kAnchorKeyWeak, which + ": " + std::string(key.error().reason));
  if (!x509::check_key_strength(certificate.spki()).ok()) return invalid(reasons::kAnchorKeyWeak, which);
  return {};
}

bool is_signed_by(const x509::Certificate& subject, const x509::Certificate& issuer) {
  if (!std::ranges::equal(subject.issuer(), issuer.subject())) return false;
  const auto key = x509::PublicKey::parse(issuer.spki());
  return key.ok() && key->verify(subject.signature_algorithm(), subject.tbs(), subject.signature()).ok();
}

// Only beginnings: a '*' anywhere else says what we do not mean.
bool is_denial(std::string_view entry) {
  if (entry.ends_with('*')) entry.remove_suffix(1);
  return entry.empty() || DeviceName::parse(entry).ok();
}

}  // namespace

Result<std::vector<x509::Certificate>> check_anchor_certificates(const std::string& pem, UtcTime now) {
  auto parsed = x509::Certificate::parse_pem_list(pem, x509::kMaxAnchorIntermediates + 1);
  if (!parsed.ok()) return invalid(reasons::kAnchorInvalid, std::string(parsed.error().reason));
  const std::vector<x509::Certificate>& all = *parsed;
  for (std::size_t i = 0; i < all.size(); ++i) MUSTER_TRY_VOID(check_ca(all[i], i, now));
  for (std::size_t i = 1; i < all.size(); ++i) {
    const bool known = std::ranges::any_of(all, [&](const x509::Certificate& issuer) {
      return issuer.id() != all[i].id() && is_signed_by(all[i], issuer);
    });
    if (!known) return invalid(reasons::kAnchorChainBroken, "certificate " + std::to_string(i));
  }
  return parsed;
}

Result<void> check_prefix(std::string_view prefix) {
  const bool printable = std::ranges::all_of(prefix, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (prefix.size() > kMaxPrefix || !printable) return invalid(reasons::kAnchorFieldInvalid, "device_id_prefix");
  return {};
}

Result<registry::SelfRegistration> check_self_registration(registry::SelfRegistration settings) {
  if (settings.max_devices < 1 || settings.max_devices > kMostDevices) {
    return invalid(reasons::kAnchorFieldInvalid, "self_registration.max_devices");
  }
  if (settings.devices_per_minute < 1 || settings.devices_per_minute > kMostPerMinute) {
    return invalid(reasons::kAnchorFieldInvalid, "self_registration.devices_per_minute");
  }
  if (settings.denied.size() > kMaxDenied || !std::ranges::all_of(settings.denied, is_denial)) {
    return invalid(reasons::kAnchorFieldInvalid, "self_registration.denied");
  }
  if (!settings.group.empty() && !registry::normalise_groups({settings.group}).ok()) {
    return invalid(reasons::kAnchorFieldInvalid, "self_registration.group");
  }
  return settings;
}

Result<void> check_crl_source(const registry::CrlSource& source) {
  if (source.fetch_seconds < 60 || source.fetch_seconds > 7 * 86400) {
    return invalid(reasons::kAnchorFieldInvalid, "crl.fetch_seconds");
  }
  if (source.url.empty()) return {};
  const std::string_view url = source.url;
  const bool plain = std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f && c != '@' && c != '#'; });
  const bool has_host = url.starts_with("http://") && url.size() > 7 && url[7] != '/' && url[7] != ':';
  if (!plain || !has_host || url.size() > 1024) return invalid(reasons::kAnchorFieldInvalid, "crl.url: http://host/…");
  return {};
}

bool is_denied(const std::vector<std::string>& denied, std::string_view name) {
  return std::ranges::any_of(denied, [name](std::string_view entry) {
    if (!entry.ends_with('*')) return entry == name;
    entry.remove_suffix(1);
    return name.starts_with(entry);
  });
}

}  // namespace muster::enroll
