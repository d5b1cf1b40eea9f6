// SPDX-License-Identifier: Apache-2.0
#include "x509/distinguished_name.h"

#include <algorithm>

#include "core/encoding.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/path_oids.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kBmpString = 0x1E;
constexpr std::uint8_t kUniversalString = 0x1C;

void append_utf8(std::uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3F)),
            static_cast<char>(0x80 | ((c >> 6) & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

// Characters of `width` octets, big-endian, as UTF-8.
std::optional<std::string> from_wide(BytesView octets, std::size_t width) {
  if (octets.size() % width != 0) return std::nullopt;
  std::string text;
  for (std::size_t at = 0; at < octets.size(); at += width) {
    std::uint32_t c = 0;
    for (std::size_t i = 0; i < width; ++i) c = (c << 8) | octets[at + i];
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return std::nullopt;
    append_utf8(c, text);
  }
  return text;
}

bool is_text_tag(std::uint8_t tag) {
  return tag == tag::kUtf8String || tag == tag::kPrintableString || tag == tag::kIa5String || tag == kBmpString ||
         tag == kUniversalString;
}

std::optional<std::string> to_utf8(const DerElementView& value) {
  if (value.tag == kBmpString) return from_wide(value.contents, 2);
  if (value.tag == kUniversalString) return from_wide(value.contents, 4);
  std::string text{as_text(value.contents)};
  if (value.tag == tag::kUtf8String) return is_utf8(text) ? std::optional(text) : std::nullopt;
  const bool ascii = std::ranges::all_of(value.contents, [](std::uint8_t c) { return c < 0x80; });
  return ascii ? std::optional(text) : std::nullopt;
}

// [RFC5280 7.1] case folded, outer white space gone, inner runs of it one space
std::string fold(std::string_view text) {
  std::string folded;
  bool pending_space = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      pending_space = !folded.empty();
      continue;
    }
    if (pending_space) folded += ' ';
    pending_space = false;
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return folded;
}

// Lengths go first so that no value can imitate the boundary between two attributes.
std::string canonical(BytesView oid, char kind, std::string_view value) {
  return std::to_string(oid.size()) + ":" + std::string(as_text(oid)) + kind + std::to_string(value.size()) + ":" +
         std::string(value);
}

std::optional<std::string> read_attribute(DerReaderView& set, std::vector<std::string>& email_addresses) {
  auto attribute = set.enter(tag::kSequence);
  const auto oid = attribute ? attribute->read(tag::kOid) : std::nullopt;
  const auto value = oid ? attribute->read_any() : std::nullopt;
  if (!value || !attribute->at_end()) return std::nullopt;
  if (!is_text_tag(value->tag)) return canonical(oid->contents, 'x', as_text(value->whole));
  const auto text = to_utf8(*value);
  if (!text) return std::nullopt;
  if (oid::equals(oid->contents, oid::kEmailAddress)) email_addresses.push_back(*text);
  return canonical(oid->contents, 's', fold(*text));
}

}  // namespace

std::optional<DistinguishedName> DistinguishedName::parse(BytesView name) {
  DerReaderView outer{name};
  auto sequence = outer.enter(tag::kSequence);
  if (!sequence || !outer.at_end()) return std::nullopt;
  DistinguishedName parsed;
  while (!sequence->at_end()) {
    auto set = sequence->enter(tag::kSet);
    if (!set || set->at_end()) return std::nullopt;
    std::vector<std::string> attributes;
    while (!set->at_end()) {
      auto attribute = read_attribute(*set, parsed.email_addresses_);
      if (!attribute) return std::nullopt;
      attributes.push_back(std::move(*attribute));
    }
    std::ranges::sort(attributes);  // folding may have changed the order that DER gave the set
    std::string rdn;
    for (const std::string& attribute : attributes) rdn += attribute;
    parsed.rdns_.push_back(std::move(rdn));
  }
  return parsed;
}

bool DistinguishedName::is_within(const DistinguishedName& base) const {
  return rdns_.size() >= base.rdns_.size() && std::equal(base.rdns_.begin(), base.rdns_.end(), rdns_.begin());
}

bool is_same_name(BytesView a, BytesView b) {
  if (std::ranges::equal(a, b)) return true;
  const auto first = DistinguishedName::parse(a);
  const auto second = DistinguishedName::parse(b);
  return first && second && *first == *second;
}

bool NameTable::same(BytesView a, BytesView b) { return std::ranges::equal(a, b) || id_of(a) == id_of(b); }

std::size_t NameTable::id_of(BytesView name) {
  for (const Entry& entry : entries_) {
    if (entry.octets == name.data()) return entry.id;
  }
  Entry fresh{name.data(), DistinguishedName::parse(name), entries_.size()};
  for (const Entry& entry : entries_) {
    if (fresh.name && entry.name && *fresh.name == *entry.name) {
      fresh.id = entry.id;
      break;
    }
  }
  entries_.push_back(std::move(fresh));
  return entries_.back().id;
}

}  // namespace muster::x509
