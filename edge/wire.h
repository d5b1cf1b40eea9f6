// SPDX-License-Identifier: Apache-2.0
//
// Purpose: little-endian fields in a buffer, for the files of this module. WireReader never reads past its end: after
// the first field that does not fit, ok() is false and every further field is zero or empty.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "core/bytes.h"

namespace muster::edge {

class WireWriter {
 public:
  explicit WireWriter(Bytes& out) : out_(out) {}
  void u8(std::uint8_t v) { out_.push_back(v); }
  void u16(std::uint16_t v) { little_endian(v, 2); }
  void u32(std::uint32_t v) { little_endian(v, 4); }
  void u64(std::uint64_t v) { little_endian(v, 8); }
  void i64(std::int64_t v) { u64(static_cast<std::uint64_t>(v)); }
  void octets(BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  // Two octets of length, then the text. Longer text makes fits() false.
  void text16(std::string_view text) {
    if (text.size() > std::numeric_limits<std::uint16_t>::max()) {
      fits_ = false;
      return;
    }
    u16(static_cast<std::uint16_t>(text.size()));
    octets(as_bytes(text));
  }
  void count16(std::size_t n) {
    if (n > std::numeric_limits<std::uint16_t>::max()) fits_ = false;
    u16(static_cast<std::uint16_t>(n));
  }
  bool fits() const { return fits_; }

 private:
  void little_endian(std::uint64_t v, int octets) {
    for (int i = 0; i < octets; ++i) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  Bytes& out_;
  bool fits_ = true;
};

class WireReader {
 public:
  explicit WireReader(BytesView bytes) : rest_(bytes) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(little_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(little_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(little_endian(4)); }
  std::uint64_t u64() { return little_endian(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  BytesView octets(std::size_t n) {
    if (!ok_ || n > rest_.size()) {
      ok_ = false;
      return {};
    }
    const BytesView taken = rest_.first(n);
    rest_ = rest_.subspan(n);
    return taken;
  }
  std::string_view text16() { return as_text(octets(u16())); }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> value{};
    const BytesView taken = octets(N);
    if (ok_) std::memcpy(value.data(), taken.data(), N);
    return value;
  }
  bool ok() const { return ok_; }
  BytesView rest() const { return rest_; }

 private:
  std::uint64_t little_endian(std::size_t n) {
    const BytesView taken = octets(n);
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < taken.size(); ++i) v |= std::uint64_t{taken[i]} << (8 * i);
    return v;
  }
  BytesView rest_;
  bool ok_ = true;
};

}  // namespace muster::edge
