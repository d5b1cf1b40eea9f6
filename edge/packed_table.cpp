// SPDX-License-Identifier: Apache-2.0
#include "edge/packed_table.h"

#include <algorithm>

namespace muster::edge {

unsigned packed_skip(std::size_t rows) {
  if (rows >= (std::size_t{1} << 25)) return 3;
  if (rows >= (std::size_t{1} << 17)) return 2;
  return rows >= (std::size_t{1} << 9) ? 1 : 0;
}

std::size_t packed_bucket_count(unsigned skip) { return (std::size_t{1} << (8 * skip)) + 1; }

std::uint32_t packed_bucket_of(const PackedKey& key, unsigned skip) {
  std::uint32_t bucket = 0;
  for (unsigned i = 0; i < skip; ++i) bucket = bucket << 8 | key[i];
  return bucket;
}

bool PackedTable::is_sound() const {
  if (buckets_.size() != packed_bucket_count(skip_) || buckets_.front() != 0 || buckets_.back() != count_) return false;
  if (!std::ranges::is_sorted(buckets_)) return false;
  const std::size_t size = key_size();
  for (std::size_t b = 0; b + 1 < buckets_.size(); ++b) {
    const std::uint8_t* row = rows_ + buckets_[b] * width_;
    for (std::uint32_t left = buckets_[b + 1] - buckets_[b]; left > 1; --left, row += width_) {
      if (std::memcmp(row, row + width_, size) >= 0) return false;
    }
  }
  return true;
}

std::optional<std::uint32_t> PackedTable::find(const PackedKey& key) const {
  const std::uint32_t bucket = packed_bucket_of(key, skip_);
  const std::uint8_t* wanted = key.data() + skip_;
  std::uint32_t first = buckets_[bucket];
  std::uint32_t end = buckets_[bucket + 1];
  while (first < end) {
    const std::uint32_t middle = first + (end - first) / 2;
    const int order = std::memcmp(rows_ + middle * width_, wanted, key_size());
    if (order == 0) return middle;
    if (order < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return std::nullopt;
}

PackedKey PackedTable::key(std::uint32_t row) const {
  PackedKey key;
  std::memcpy(key.data() + skip_, rows_ + row * width_, key_size());
  // The bucket that holds the row is the last that does not start behind it.
  const auto after = std::ranges::upper_bound(buckets_, row);
  auto bucket = static_cast<std::uint32_t>(after - buckets_.begin()) - 1;
  for (unsigned i = skip_; i > 0; --i, bucket >>= 8) key[i - 1] = static_cast<std::uint8_t>(bucket);
  return key;
}

}  // namespace muster::edge
