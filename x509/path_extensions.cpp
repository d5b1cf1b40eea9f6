// SPDX-License-Identifier: Apache-2.0
#include "x509/path_extensions.h"

#include <algorithm>

#include "x509/crl_import.h"
#include "x509/oids.h"
#include "x509/path_oids.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::string_view kOk;
constexpr std::string_view kMalformed = reasons::kChainExtensionMalformed;
constexpr std::uint8_t kDirectoryName = 4;

std::optional<std::vector<ExtensionView>> list_extensions(const Certificate& certificate) {
  DerReaderView outer{certificate.tbs()};
  auto tbs = outer.enter(tag::kSequence);
  std::vector<ExtensionView> extensions;
  while (tbs && !tbs->at_end()) {
    if (tbs->peek_tag() != tag::context_constructed(3)) {
      if (!tbs->read_any()) return std::nullopt;
      continue;
    }
    auto wrapper = tbs->enter(tag::context_constructed(3));
    auto list = wrapper ? wrapper->enter(tag::kSequence) : std::nullopt;
    while (list && !list->at_end()) {
      const auto extension = read_extension(*list);
      if (!extension) return std::nullopt;
      extensions.push_back(*extension);
    }
  }
  return extensions;
}

// The one SEQUENCE that `value` holds.
std::optional<DerReaderView> enter_only(BytesView value, std::uint8_t tag = tag::kSequence) {
  DerReaderView outer{value};
  auto body = outer.enter(tag);
  if (!body || !outer.at_end()) return std::nullopt;
  return body;
}

std::optional<std::string> read_oid(DerReaderView& reader) {
  const auto oid = reader.read(tag::kOid);
  if (!oid) return std::nullopt;
  std::string text = oid_text(oid->contents);
  if (text == "?") return std::nullopt;  // would make two unlike OIDs the same policy
  return text;
}

std::string_view read_policies(BytesView value, PathExtensions& out) {
  auto list = enter_only(value);
  if (!list || list->at_end()) return kMalformed;
  auto& policies = out.policies.emplace();
  while (!list->at_end()) {
    auto information = list->enter(tag::kSequence);
    auto policy = information ? read_oid(*information) : std::nullopt;
    if (!policy || (!information->at_end() && (!information->read(tag::kSequence) || !information->at_end()))) {
      return kMalformed;
    }
    if (policies.size() == kMaxPolicies) return reasons::kChainTooManyPolicies;
    // [RFC5280 4.2.1.4] "A certificate policy OID MUST NOT appear more than once"
    if (std::ranges::find(policies, *policy) != policies.end()) return kMalformed;
    policies.push_back(std::move(*policy));
  }
  return kOk;
}

std::string_view read_mappings(BytesView value, PathExtensions& out) {
  auto list = enter_only(value);
  if (!list || list->at_end()) return kMalformed;
  while (!list->at_end()) {
    auto pair = list->enter(tag::kSequence);
    auto issuer = pair ? read_oid(*pair) : std::nullopt;
    auto subject = issuer ? read_oid(*pair) : std::nullopt;
    if (!subject || !pair->at_end()) return kMalformed;
    if (out.mappings.size() == kMaxPolicies) return reasons::kChainTooManyPolicies;
    out.mappings.push_back({std::move(*issuer), std::move(*subject)});
  }
  return kOk;
}

// An INTEGER's contents as a count of certificates; more than 2^31 - 1 is as good as that.
std::optional<std::uint32_t> read_skip_count(BytesView contents) {
  if (contents.empty() || (contents[0] & 0x80) != 0) return std::nullopt;
  if (contents.size() > 1 && contents[0] == 0 && (contents[1] & 0x80) == 0) return std::nullopt;
  if (contents.size() > 4) return INT32_MAX;
  std::uint32_t count = 0;
  for (const std::uint8_t octet : contents) count = (count << 8) | octet;
  return count;
}

std::string_view read_policy_constraints(BytesView value, PathExtensions& out) {
  auto body = enter_only(value);
  if (!body || body->at_end()) return kMalformed;  // [RFC5280 4.2.1.11] not empty
  if (const auto count = body->read(tag::context(0))) {
    out.require_explicit_policy = read_skip_count(count->contents);
    if (!out.require_explicit_policy) return kMalformed;
  }
  if (const auto count = body->read(tag::context(1))) {
    out.inhibit_policy_mapping = read_skip_count(count->contents);
    if (!out.inhibit_policy_mapping) return kMalformed;
  }
  return body->at_end() ? kOk : kMalformed;
}

std::string_view read_inhibit_any_policy(BytesView value, PathExtensions& out) {
  DerReaderView reader{value};
  const auto count = reader.read_integer();
  if (!count || !reader.at_end()) return kMalformed;
  out.inhibit_any_policy = read_skip_count(*count);
  return out.inhibit_any_policy ? kOk : kMalformed;
}

std::optional<DistributionPoint> read_point(DerReaderView& list, BytesView issuer) {
  auto body = list.enter(tag::kSequence);
  if (!body || body->at_end()) return std::nullopt;
  DistributionPoint point;
  point.reasons = kAllRevocationReasons;
  if (const auto name = body->enter(tag::context_constructed(0))) {
    auto names = read_distribution_point_name(*name, issuer);
    if (!names) return std::nullopt;
    point.names = std::move(*names);
  }
  if (const auto flags = body->read(tag::context(1))) {
    const auto reasons = read_reason_flags(flags->contents);
    if (!reasons) return std::nullopt;
    point.reasons = *reasons & kAllRevocationReasons;
  }
  point.has_crl_issuer = body->read(tag::context_constructed(2)).has_value();
  if (!body->at_end() || (point.names.empty() && !point.has_crl_issuer)) return std::nullopt;
  return point;
}

std::string_view read_points(BytesView value, BytesView issuer, PathExtensions& out) {
  auto list = enter_only(value);
  if (!list || list->at_end()) return kMalformed;
  while (!list->at_end()) {
    auto point = read_point(*list, issuer);
    if (!point || out.distribution_points.size() == kMaxDistributionPoints) return kMalformed;
    out.distribution_points.push_back(std::move(*point));
  }
  return kOk;
}

std::string_view read_known(const ExtensionView& extension, BytesView issuer, PathExtensions& out) {
  if (oid::equals(extension.oid, oid::kCertificatePolicies)) return read_policies(extension.value, out);
  if (oid::equals(extension.oid, oid::kPolicyMappings)) return read_mappings(extension.value, out);
  if (oid::equals(extension.oid, oid::kPolicyConstraints)) return read_policy_constraints(extension.value, out);
  if (oid::equals(extension.oid, oid::kInhibitAnyPolicy)) return read_inhibit_any_policy(extension.value, out);
  if (oid::equals(extension.oid, oid::kCrlDistributionPoints)) return read_points(extension.value, issuer, out);
  return kOk;
}

void append_length(std::size_t length, Bytes& out) {
  if (length < 0x80) {
    out.push_back(static_cast<std::uint8_t>(length));
    return;
  }
  const std::uint8_t octets = length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;  // names are below kMaxCrlSize
  out.push_back(0x80 | octets);
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(length >> shift));
}

// The Name `issuer` with one more RDN.
std::optional<std::string> append_rdn(BytesView issuer, BytesView attributes) {
  const auto body = enter_only(issuer);
  if (!body || attributes.size() + issuer.size() > 0xFFFF) return std::nullopt;
  DerReaderView outer{issuer};
  const BytesView rdns = outer.read_any()->contents;
  Bytes set{tag::kSet};
  append_length(attributes.size(), set);
  set.insert(set.end(), attributes.begin(), attributes.end());
  Bytes name{tag::kSequence};
  append_length(rdns.size() + set.size(), name);
  name.insert(name.end(), rdns.begin(), rdns.end());
  name.insert(name.end(), set.begin(), set.end());
  return std::string(as_text(name));
}

}  // namespace

const ExtensionView* PathExtensions::find(BytesView oid) const {
  const auto found = std::ranges::find_if(all, [&](const ExtensionView& e) { return oid::equals(e.oid, oid); });
  return found == all.end() ? nullptr : &*found;
}

bool PathExtensions::is_critical(BytesView oid) const {
  const ExtensionView* extension = find(oid);
  return extension != nullptr && extension->critical;
}

Result<PathExtensions> read_path_extensions(const Certificate& certificate) {
  auto all = list_extensions(certificate);
  if (!all) return Error{ErrorCode::kInvalidArgument, kMalformed, {}};
  PathExtensions extensions;
  extensions.all = std::move(*all);
  for (const ExtensionView& extension : extensions.all) {
    const auto reason = read_known(extension, certificate.issuer(), extensions);
    if (!reason.empty()) return Error{ErrorCode::kInvalidArgument, reason, oid_text(extension.oid)};
  }
  return extensions;
}

std::optional<std::vector<GeneralName>> read_distribution_point_name(DerReaderView choice, BytesView issuer) {
  std::vector<GeneralName> names;
  const auto chosen = choice.read_any();
  if (!chosen || !choice.at_end()) return std::nullopt;
  if (chosen->tag == tag::context_constructed(1)) {
    auto name = append_rdn(issuer, chosen->contents);
    if (!name) return std::nullopt;
    names.push_back({kDirectoryName, std::move(*name)});
    return names;
  }
  if (chosen->tag != tag::context_constructed(0)) return std::nullopt;
  DerReaderView full{chosen->contents};
  while (!full.at_end()) {
    const auto name = full.read_any();
    if (!name || (name->tag & 0xC0) != 0x80 || names.size() == kMaxDistributionPoints) return std::nullopt;
    names.push_back({static_cast<std::uint8_t>(name->tag & 0x1F), std::string(as_text(name->contents))});
  }
  if (names.empty()) return std::nullopt;
  return names;
}

}  // namespace muster::x509
