// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/bytes.h"
#include "core/time.h"

namespace muster::ca {

// DerWriter appends DER elements (X.690). Confined to one thread.
class DerWriter {
 public:
  void reserve(std::size_t octets) { out_.reserve(octets); }
  void raw(BytesView der) { out_.insert(out_.end(), der.begin(), der.end()); }
  void primitive(std::uint8_t tag, BytesView contents);
  void text(std::uint8_t tag, std::string_view contents) { primitive(tag, as_bytes(contents)); }
  // `write` appends the contents; the header is put before them afterwards.
  template <typename Write>
  void constructed(std::uint8_t tag, Write&& write) {
    const std::size_t start = out_.size();
    std::forward<Write>(write)();
    insert_header(tag, start);
  }
  void boolean_true();
  void small_integer(std::uint64_t value);
  // Big-endian magnitude of a non-negative number; a sign octet is added, leading zeros are dropped.
  void unsigned_integer(BytesView magnitude);
  void oid(BytesView contents);
  void bit_string(BytesView octets);  // no unused bits
  // `bits`: bit n of the number is bit n of the named bit list; trailing zero bits are dropped [X.690 11.2.2].
  void named_bits(std::uint16_t bits);
  void time(UtcTime time);  // UTCTime through 2049, then GeneralizedTime [RFC5280 4.1.2.5]

  const Bytes& bytes() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  void insert_header(std::uint8_t tag, std::size_t start);
  Bytes out_;
};

}  // namespace muster::ca
