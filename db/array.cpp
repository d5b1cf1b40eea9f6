// SPDX-License-Identifier: Apache-2.0
#include "db/array.h"

namespace muster::db {

namespace {

constexpr std::int64_t kEpochMicros = 946'684'800'000'000;  // 2000-01-01T00:00:00Z

// PostgreSQL's array_send: dimensions, flags, element OID and, unless there are none, length and lower bound of each.
constexpr std::size_t kDimensionsOffset = 0;
constexpr std::size_t kLengthOffset = 12;

void put_u32(std::uint8_t* out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

void append_u32(Bytes& out, std::uint32_t value) {
  out.resize(out.size() + 4);
  put_u32(out.data() + out.size() - 4, value);
}

}  // namespace

std::int64_t to_database_micros(UnixMicros micros) { return micros - kEpochMicros; }
UnixMicros from_database_micros(std::int64_t micros) { return micros + kEpochMicros; }
UnixMicros to_micros(UtcTime time) { return time.time_since_epoch().count() * 1'000'000; }

Array::Array(ElementType type) : type_(type) {
  append_u32(encoded_, 0);  // no dimension while it is empty
  append_u32(encoded_, 0);
  append_u32(encoded_, static_cast<std::uint32_t>(type));
}

void Array::begin_element(std::uint32_t length) {
  if (count_ == 0) {
    put_u32(encoded_.data() + kDimensionsOffset, 1);
    append_u32(encoded_, 0);
    append_u32(encoded_, 1);
  }
  put_u32(encoded_.data() + kLengthOffset, ++count_);
  append_u32(encoded_, length);
}

void Array::add(BytesView bytes) {
  begin_element(static_cast<std::uint32_t>(bytes.size()));
  encoded_.insert(encoded_.end(), bytes.begin(), bytes.end());
}

void Array::add_text(std::string_view text) { add(as_bytes(text)); }

void Array::add(std::int64_t number) {
  const int width = type_ == ElementType::kInt32 ? 4 : 8;
  begin_element(static_cast<std::uint32_t>(width));
  for (int i = width - 1; i >= 0; --i) {
    encoded_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (8 * i)));
  }
}

void Array::add(UtcTime time) { add(to_database_micros(to_micros(time))); }

void Array::add_null() { begin_element(0xFFFFFFFFu); }

}  // namespace muster::db
