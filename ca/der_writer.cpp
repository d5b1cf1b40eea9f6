// SPDX-License-Identifier: Apache-2.0
#include "ca/der_writer.h"

#include <array>
#include <bit>
#include <cstdio>

#include "x509/der_reader.h"

namespace muster::ca {

namespace tag = x509::tag;

namespace {

struct Header {
  std::array<std::uint8_t, 6> octets{};
  std::size_t size = 0;
};

Header header_of(std::uint8_t tag, std::size_t length) {
  Header header;
  header.octets[header.size++] = tag;
  if (length < 0x80) {
    header.octets[header.size++] = static_cast<std::uint8_t>(length);
    return header;
  }
  std::size_t octets = 1;
  while (octets < 4 && (length >> (8 * octets)) != 0) ++octets;
  header.octets[header.size++] = static_cast<std::uint8_t>(0x80 | octets);
  for (std::size_t i = octets; i > 0; --i) {
    header.octets[header.size++] = static_cast<std::uint8_t>(length >> (8 * (i - 1)));
  }
  return header;
}

}  // namespace

void DerWriter::primitive(std::uint8_t tag, BytesView contents) {
  const Header header = header_of(tag, contents.size());
  out_.insert(out_.end(), header.octets.begin(), header.octets.begin() + static_cast<std::ptrdiff_t>(header.size));
  raw(contents);
}

void DerWriter::insert_header(std::uint8_t tag, std::size_t start) {
  const Header header = header_of(tag, out_.size() - start);
  out_.insert(out_.begin() + static_cast<std::ptrdiff_t>(start), header.octets.begin(),
              header.octets.begin() + static_cast<std::ptrdiff_t>(header.size));
}

void DerWriter::boolean_true() {
  constexpr std::uint8_t kTrue = 0xFF;
  primitive(tag::kBoolean, {&kTrue, 1});
}

void DerWriter::small_integer(std::uint64_t value) {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < 8; ++i) octets[i] = static_cast<std::uint8_t>(value >> (8 * (7 - i)));
  unsigned_integer(octets);
}

void DerWriter::unsigned_integer(BytesView magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  Bytes contents;
  if (magnitude.empty() || (magnitude[0] & 0x80) != 0) contents.push_back(0);
  contents.insert(contents.end(), magnitude.begin(), magnitude.end());
  primitive(tag::kInteger, contents);
}

void DerWriter::oid(BytesView contents) { primitive(tag::kOid, contents); }

void DerWriter::bit_string(BytesView octets) {
  constructed(tag::kBitString, [&] {
    out_.push_back(0);
    raw(octets);
  });
}

void DerWriter::named_bits(std::uint16_t bits) {
  constructed(tag::kBitString, [&] {
    const auto length = static_cast<unsigned>(std::bit_width(bits));
    const unsigned octets = (length + 7) / 8;
    out_.push_back(static_cast<std::uint8_t>(8 * octets - length));
    for (unsigned octet = 0; octet < octets; ++octet) {
      std::uint8_t value = 0;
      for (unsigned bit = 0; bit < 8; ++bit) {
        if (((bits >> (8 * octet + bit)) & 1) != 0) value |= static_cast<std::uint8_t>(0x80 >> bit);
      }
      out_.push_back(value);
    }
  });
}

void DerWriter::time(UtcTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  const int year = static_cast<int>(date.year());
  char text[40];
  const int length =
      std::snprintf(text, sizeof text, "%04d%02u%02u%02d%02d%02dZ", year, static_cast<unsigned>(date.month()),
                    static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                    static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  std::string_view whole{text, static_cast<std::size_t>(length)};
  if (year >= 2050) return this->text(tag::kGeneralizedTime, whole);
  this->text(tag::kUtcTime, whole.substr(2));
}

}  // namespace muster::ca
