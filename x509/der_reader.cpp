// SPDX-License-Identifier: Apache-2.0
#include "x509/der_reader.h"

#include <chrono>

namespace muster::x509 {

namespace {

// Where an element's contents begin and end; nullopt where the header is not DER or reaches beyond the input.
struct Extent {
  std::size_t header = 0;
  std::size_t length = 0;
};

std::optional<Extent> measure(BytesView input) {
  if (input.size() < 2 || (input[0] & 0x1F) == 0x1F) return std::nullopt;  // no multi-octet tags in PKIX
  const std::uint8_t first = input[1];
  if (first < 0x80) {
    if (first > input.size() - 2) return std::nullopt;
    return Extent{2, first};
  }
  const std::size_t octets = first & 0x7F;
  if (octets == 0 || octets > 4 || input.size() - 2 < octets) return std::nullopt;  // 0x80 is the indefinite form
  std::size_t length = 0;
  for (std::size_t i = 0; i < octets; ++i) length = (length << 8) | input[2 + i];
  const bool minimal = length >= 0x80 && (length >> (8 * (octets - 1))) != 0;
  if (!minimal || length > input.size() - 2 - octets) return std::nullopt;
  return Extent{2 + octets, length};
}

std::optional<int> two_digits(BytesView text, std::size_t at) {
  const int tens = text[at] - '0';
  const int ones = text[at + 1] - '0';
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) return std::nullopt;
  return tens * 10 + ones;
}

std::optional<UtcTime> civil_time(int year, BytesView month_to_second) {
  int part[5];
  for (std::size_t i = 0; i < 5; ++i) {
    const auto digits = two_digits(month_to_second, 2 * i);
    if (!digits) return std::nullopt;
    part[i] = *digits;
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(part[0])},
                                         std::chrono::day{static_cast<unsigned>(part[1])}};
  if (!date.ok() || part[2] > 23 || part[3] > 59 || part[4] > 59) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{part[2]} + std::chrono::minutes{part[3]} +
         std::chrono::seconds{part[4]};
}

bool is_minimal_integer(BytesView contents) {
  if (contents.empty()) return false;
  if (contents.size() == 1) return true;
  const bool redundant_zero = contents[0] == 0x00 && (contents[1] & 0x80) == 0;
  const bool redundant_ones = contents[0] == 0xFF && (contents[1] & 0x80) != 0;
  return !redundant_zero && !redundant_ones;
}

}  // namespace

std::optional<std::uint8_t> DerReaderView::peek_tag() const {
  if (rest_.empty()) return std::nullopt;
  return rest_[0];
}

std::optional<DerElementView> DerReaderView::read_any() {
  const auto extent = measure(rest_);
  if (!extent) return std::nullopt;
  const DerElementView element{rest_[0], rest_.subspan(extent->header, extent->length),
                               rest_.first(extent->header + extent->length)};
  rest_ = rest_.subspan(element.whole.size());
  return element;
}

std::optional<DerElementView> DerReaderView::read(std::uint8_t tag) {
  if (peek_tag() != tag) return std::nullopt;
  return read_any();
}

std::optional<DerReaderView> DerReaderView::enter(std::uint8_t tag) {
  const auto element = read(tag);
  if (!element) return std::nullopt;
  return DerReaderView{element->contents};
}

std::optional<bool> DerReaderView::read_boolean() {
  const BytesView before = rest_;
  const auto element = read(tag::kBoolean);
  if (element && element->contents.size() == 1 && (element->contents[0] == 0 || element->contents[0] == 0xFF)) {
    return element->contents[0] == 0xFF;
  }
  rest_ = before;
  return std::nullopt;
}

std::optional<BytesView> DerReaderView::read_integer() {
  const BytesView before = rest_;
  const auto element = read(tag::kInteger);
  if (element && is_minimal_integer(element->contents)) return element->contents;
  rest_ = before;
  return std::nullopt;
}

std::optional<std::uint32_t> DerReaderView::read_small_unsigned() {
  const BytesView before = rest_;
  const auto contents = read_integer();
  if (contents && contents->size() <= 4 && ((*contents)[0] & 0x80) == 0) {
    std::uint32_t value = 0;
    for (const std::uint8_t octet : *contents) value = (value << 8) | octet;
    return value;
  }
  rest_ = before;
  return std::nullopt;
}

std::optional<BytesView> DerReaderView::read_octet_bits() {
  const BytesView before = rest_;
  const auto element = read(tag::kBitString);
  if (element && !element->contents.empty() && element->contents[0] == 0) return element->contents.subspan(1);
  rest_ = before;
  return std::nullopt;
}

std::optional<UtcTime> DerReaderView::read_time() {
  const BytesView before = rest_;
  const auto element = read_any();
  std::optional<UtcTime> time;
  if (element && element->contents.size() == 13 && element->tag == tag::kUtcTime && element->contents[12] == 'Z') {
    const auto year = two_digits(element->contents, 0);
    if (year) time = civil_time(*year < 50 ? 2000 + *year : 1900 + *year, element->contents.subspan(2));
  } else if (element && element->contents.size() == 15 && element->tag == tag::kGeneralizedTime &&
             element->contents[14] == 'Z') {
    const auto century = two_digits(element->contents, 0);
    const auto year = two_digits(element->contents, 2);
    if (century && year) time = civil_time(*century * 100 + *year, element->contents.subspan(4));
  }
  if (!time) rest_ = before;
  return time;
}

bool is_well_formed_der(BytesView input, int max_depth) {
  DerReaderView reader{input};
  while (!reader.at_end()) {
    const auto element = reader.read_any();
    if (!element) return false;
    const bool constructed = (element->tag & 0x20) != 0;
    if (constructed && (max_depth == 0 || !is_well_formed_der(element->contents, max_depth - 1))) return false;
  }
  return true;
}

std::string oid_text(BytesView contents) {
  if (contents.empty() || contents.size() > 64 || (contents.back() & 0x80) != 0) return "?";
  std::string text;
  std::uint64_t arc = 0;
  for (const std::uint8_t octet : contents) {
    if (arc > (UINT64_MAX >> 7)) return "?";
    arc = (arc << 7) | (octet & 0x7F);
    if ((octet & 0x80) != 0) continue;
    if (text.empty()) {  // the first two arcs share one number [X.690 8.19.4]
      const std::uint64_t top = arc < 80 ? arc / 40 : 2;
      text = std::to_string(top) + "." + std::to_string(arc - 40 * top);
    } else {
      text += "." + std::to_string(arc);
    }
    arc = 0;
  }
  return text;
}

}  // namespace muster::x509
