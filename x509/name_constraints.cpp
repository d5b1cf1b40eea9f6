// SPDX-License-Identifier: Apache-2.0
#include "x509/name_constraints.h"

#include <algorithm>

#include "x509/der_reader.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kMail = 1, kDns = 2, kDirectory = 4, kUri = 6, kAddress = 7;

bool is_supported(std::uint8_t tag) {
  return tag == kMail || tag == kDns || tag == kDirectory || tag == kUri || tag == kAddress;
}

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

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

// "mailbox@host"; a quoted mailbox with an "@" inside is not read.
bool split_mail(std::string_view text, ConstrainedName& name) {
  const std::size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos || !is_host_name(text.substr(at + 1))) return false;
  name.mailbox = std::string(text.substr(0, at));
  name.host = lower(text.substr(at + 1));
  return true;
}

std::optional<DistinguishedName> read_directory(std::string_view contents) {
  DerReaderView outer{as_bytes(contents)};  // [4] is EXPLICIT: the Name is inside
  const auto name = outer.read(tag::kSequence);
  return name && outer.at_end() ? DistinguishedName::parse(name->whole) : std::nullopt;
}

ConstrainedName read_name(const GeneralName& general) {
  ConstrainedName name{.tag = general.tag};
  switch (general.tag) {
    case kMail: name.readable = split_mail(general.value, name); break;
    case kDns: {
      const std::string_view value = general.value;
      name.readable = is_host_name(value.starts_with("*.") ? value.substr(2) : value);
      name.host = lower(value);
      break;
    }
    case kDirectory:
      name.directory = read_directory(general.value);
      name.readable = name.directory.has_value();
      break;
    case kUri: {
      const auto host = plain_host(general.value);
      name.readable = host.has_value();
      name.host = host.value_or("");
      break;
    }
    case kAddress:
      name.address = to_bytes(general.value);
      name.readable = name.address.size() == 4 || name.address.size() == 16;
      break;
    default: break;
  }
  return name;
}

// [RFC5280 4.2.1.10] address and mask "in the style of RFC 4632 (CIDR)": ones, then zeros
bool is_address_range(BytesView octets) {
  if (octets.size() != 8 && octets.size() != 32) return false;
  bool ended = false;
  for (const std::uint8_t octet : octets.subspan(octets.size() / 2)) {
    for (unsigned bit = 0x80; bit != 0; bit >>= 1) {
      if ((octet & bit) != 0 && ended) return false;
      ended = ended || (octet & bit) == 0;
    }
  }
  return true;
}

ConstrainedName read_subtree(const GeneralName& base) {
  ConstrainedName subtree{.tag = base.tag, .readable = true};
  const std::string_view value = base.value;
  const std::string_view bare = value.starts_with('.') ? value.substr(1) : value;
  switch (base.tag) {
    case kMail:
      subtree.readable = value.find('@') != std::string_view::npos ? split_mail(value, subtree) : is_host_name(bare);
      if (!subtree.mailbox) subtree.host = lower(value);
      break;
    case kDns:  // empty: every name; a leading period is for URIs only
      subtree.readable = value.empty() || is_host_name(value);
      subtree.host = lower(value);
      break;
    case kDirectory:
      subtree.directory = read_directory(value);
      subtree.readable = subtree.directory.has_value();
      break;
    case kUri:
      subtree.readable = is_host_name(bare);
      subtree.host = lower(value);
      break;
    case kAddress:
      subtree.address = to_bytes(value);
      subtree.readable = is_address_range(subtree.address);
      break;
    default: break;  // matters only where a name of that form turns up
  }
  return subtree;
}

bool is_below(std::string_view host, std::string_view domain) {
  return host.size() > domain.size() + 1 && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.';
}

// URI and rfc822 subtrees: ".domain" is every host below, "host" is that host only.
bool is_host_in(std::string_view host, std::string_view base) {
  return base.starts_with('.') ? is_below(host, base.substr(1)) : host == base;
}

bool is_address_in(BytesView address, BytesView range) {
  if (2 * address.size() != range.size()) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if (((address[i] ^ range[i]) & range[address.size() + i]) != 0) return false;
  }
  return true;
}

bool is_within(const ConstrainedName& name, const ConstrainedName& base) {
  switch (name.tag) {
    case kMail:
      if (base.mailbox) return name.mailbox == base.mailbox && name.host == base.host;
      return is_host_in(name.host, base.host);
    case kDns: return base.host.empty() || name.host == base.host || is_below(name.host, base.host);
    case kDirectory: return name.directory->is_within(*base.directory);
    case kUri: return is_host_in(name.host, base.host);
    case kAddress: return is_address_in(name.address, base.address);
    default: return false;
  }
}

// Excluded also where a name that the wildcard stands for would be.
bool might_be_within(const ConstrainedName& name, const ConstrainedName& base) {
  if (is_within(name, base)) return true;
  return name.tag == kDns && name.host.starts_with("*.") && is_below(base.host, std::string_view(name.host).substr(2));
}

}  // namespace

bool is_host_name(std::string_view text) {
  std::size_t label = 0;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '.' ? label == 0 : !letter && c != '-' && c != '_') return false;
    label = c == '.' ? 0 : label + 1;
  }
  return label > 0 && text.size() <= 253;
}

const NameConstraintChecker::Subtrees& NameConstraintChecker::subtrees_of(const Certificate& issuer) {
  const auto [place, fresh] = subtrees_.try_emplace(issuer.der().data());
  Subtrees& subtrees = place->second;
  if (!fresh) return subtrees;
  const NameConstraints& constraints = *issuer.name_constraints();
  std::ranges::transform(constraints.permitted, std::back_inserter(subtrees.permitted), read_subtree);
  std::ranges::transform(constraints.excluded, std::back_inserter(subtrees.excluded), read_subtree);
  subtrees.readable = std::ranges::all_of(subtrees.permitted, &ConstrainedName::readable) &&
                      std::ranges::all_of(subtrees.excluded, &ConstrainedName::readable);
  return subtrees;
}

const std::vector<ConstrainedName>& NameConstraintChecker::names_of(const Certificate& subject) {
  const auto [place, fresh] = names_.try_emplace(subject.der().data());
  std::vector<ConstrainedName>& names = place->second;
  if (!fresh) return names;
  std::ranges::transform(subject.subject_alt_names(), std::back_inserter(names), read_name);
  ConstrainedName directory{.tag = kDirectory, .directory = DistinguishedName::parse(subject.subject())};
  directory.readable = directory.directory.has_value();
  if (directory.readable) {
    for (const std::string& address : directory.directory->email_addresses()) names.push_back(read_name({1, address}));
  }
  const bool empty = directory.readable && directory.directory->is_empty();
  if (!empty) names.push_back(std::move(directory));
  return names;
}

std::string_view NameConstraintChecker::check(const Certificate& subject, const Certificate& issuer) {
  if (!issuer.name_constraints()) return {};
  const Subtrees& subtrees = subtrees_of(issuer);
  if (!subtrees.readable) return reasons::kChainNameConstraintMalformed;
  const std::vector<ConstrainedName>& names = names_of(subject);
  const std::size_t cost = names.size() * (subtrees.permitted.size() + subtrees.excluded.size());
  if (cost > max_comparisons_ - comparisons_) return reasons::kChainNameConstraintsTooCostly;
  comparisons_ += cost;
  for (const ConstrainedName& name : names) {
    const auto same_form = [&](const ConstrainedName& base) { return base.tag == name.tag; };
    const bool restricted = std::ranges::any_of(subtrees.permitted, same_form);
    if (!restricted && std::ranges::none_of(subtrees.excluded, same_form)) continue;
    if (!is_supported(name.tag)) return reasons::kChainNameConstraintUnsupported;
    const auto permits = [&](const ConstrainedName& base) { return base.tag == name.tag && is_within(name, base); };
    const auto excludes = [&](const ConstrainedName& b) { return b.tag == name.tag && might_be_within(name, b); };
    const bool permitted = !restricted || std::ranges::any_of(subtrees.permitted, permits);
    if (!name.readable || !permitted || std::ranges::any_of(subtrees.excluded, excludes)) {
      return reasons::kChainNameConstraintViolated;
    }
  }
  return {};
}

}  // namespace muster::x509
