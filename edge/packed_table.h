// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a table of rows of one width that stand in the order of a 16-octet key. The leading `skip` octets of the key
// are not stored: buckets say where the rows with each value of them start. Behind the key a row has fields of any
// number of bits. Views of a mapped file; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/bytes.h"

namespace muster::edge {

using PackedKey = std::array<std::uint8_t, 16>;

// Reading a field loads eight octets, so that many must be mapped behind the last row.
inline constexpr std::size_t kPackedSlack = 8;

// The value of `width` bits (at most 57) that start `first` bits after `octets`.
inline std::uint64_t read_bits(const std::uint8_t* octets, unsigned first, unsigned width) {
  std::uint64_t word = 0;
  std::memcpy(&word, octets + first / 8, sizeof word);
  return word >> (first % 8) & ((std::uint64_t{1} << width) - 1);
}

// Sets those bits, which must be zero, in `octets`, behind which there is slack as well.
inline void write_bits(std::uint8_t* octets, unsigned first, unsigned width, std::uint64_t value) {
  std::uint64_t word = 0;
  std::memcpy(&word, octets + first / 8, sizeof word);
  word |= (value & ((std::uint64_t{1} << width) - 1)) << (first % 8);
  std::memcpy(octets + first / 8, &word, sizeof word);
}

// How many leading octets to leave out, so that the buckets cost less than they spare.
unsigned packed_skip(std::size_t rows);
std::size_t packed_bucket_count(unsigned skip);  // with the end of the last
std::uint32_t packed_bucket_of(const PackedKey& key, unsigned skip);

class PackedTable {
 public:
  PackedTable() = default;
  // `rows` is `count` rows of `width` octets; see kPackedSlack.
  PackedTable(const std::uint8_t* rows, std::size_t count, std::size_t width, unsigned skip,
              std::span<const std::uint32_t> buckets)
      : rows_(rows), count_(count), width_(width), skip_(skip), buckets_(buckets) {}

  // Whether the buckets are in order and all keys ascend strictly. Nothing below may be called before this was true.
  bool is_sound() const;

  std::size_t size() const { return count_; }
  std::size_t octets() const { return count_ * width_ + buckets_.size_bytes(); }
  std::optional<std::uint32_t> find(const PackedKey& key) const;
  PackedKey key(std::uint32_t row) const;
  // The octets behind the row's key.
  const std::uint8_t* fields(std::uint32_t row) const { return rows_ + row * width_ + key_size(); }

 private:
  std::size_t key_size() const { return 16 - skip_; }

  const std::uint8_t* rows_ = nullptr;
  std::size_t count_ = 0;
  std::size_t width_ = 16;
  unsigned skip_ = 0;
  std::span<const std::uint32_t> buckets_;
};

}  // namespace muster::edge
