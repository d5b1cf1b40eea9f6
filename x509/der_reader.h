// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads DER (X.690 §10, §11) strictly: definite minimal lengths, one-octet tags, minimal integers, booleans of
// 0xFF. Nothing is copied: values are views into the input, which must outlive them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/time.h"

namespace muster::x509 {

namespace tag {
inline constexpr std::uint8_t kBoolean = 0x01, kInteger = 0x02, kBitString = 0x03, kOctetString = 0x04, kNull = 0x05,
                              kOid = 0x06, kEnumerated = 0x0A, kUtf8String = 0x0C, kSequence = 0x30, kSet = 0x31,
                              kPrintableString = 0x13, kIa5String = 0x16, kUtcTime = 0x17, kGeneralizedTime = 0x18;
// context-specific tags, primitive and constructed
constexpr std::uint8_t context(std::uint8_t number) { return 0x80 | number; }
constexpr std::uint8_t context_constructed(std::uint8_t number) { return 0xA0 | number; }
}  // namespace tag

struct DerElementView {
  std::uint8_t tag = 0;
  BytesView contents;
  BytesView whole;  // tag, length and contents
};

// DerReaderView walks the elements of one level. Every read_* moves past an element on success and leaves the position
// alone on failure. Confined to one thread.
class DerReaderView {
 public:
  explicit DerReaderView(BytesView input) : rest_(input) {}
  bool at_end() const { return rest_.empty(); }
  std::optional<std::uint8_t> peek_tag() const;

  std::optional<DerElementView> read_any();
  std::optional<DerElementView> read(std::uint8_t tag);
  // The contents of a constructed element as a reader of their own.
  std::optional<DerReaderView> enter(std::uint8_t tag);
  std::optional<bool> read_boolean();
  // Contents of a minimally encoded INTEGER.
  std::optional<BytesView> read_integer();
  std::optional<std::uint32_t> read_small_unsigned();  // INTEGER from 0 to 2^31 - 1
  // A BIT STRING without unused bits.
  std::optional<BytesView> read_octet_bits();
  // UTCTime "YYMMDDHHMMSSZ" or GeneralizedTime "YYYYMMDDHHMMSSZ". [RFC5280 4.1.2.5] CAs write the latter from 2050
  // only, but "conforming applications MUST be able to process validity dates that are encoded in either".
  std::optional<UtcTime> read_time();

 private:
  BytesView rest_;
};

// is_well_formed_der walks `input` as a series of DER elements, constructed ones to at most `max_depth` levels.
bool is_well_formed_der(BytesView input, int max_depth);

// oid_text writes an OID's contents as dotted decimals; "?" where they are malformed.
std::string oid_text(BytesView contents);

}  // namespace muster::x509
