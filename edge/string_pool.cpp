// SPDX-License-Identifier: Apache-2.0
#include "edge/string_pool.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string_view>

#include "edge/base_format.h"

namespace muster::edge {
namespace {

constexpr std::size_t kLeastSlots = 1024;
constexpr std::size_t kEmptyString = 8;  // octets that the pool begins with

}  // namespace

StringPool::StringPool() : octets_(kEmptyString, 0), slots_(kLeastSlots, 0) {}

Result<std::uint32_t> StringPool::put(BytesView string) {
  if (string.empty()) return 0U;
  const std::size_t slot = slot_of(string);
  if (slots_[slot] != 0) return std::uint32_t{slots_[slot]};
  if (string.size() >= base_format::kNone || octets_.size() + string.size() + 4 >= base_format::kNone) {
    return Error{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "the snapshot's strings are over 4 GiB"};
  }
  const auto offset = static_cast<std::uint32_t>(octets_.size());
  const auto size = static_cast<std::uint32_t>(string.size());
  for (int shift = 0; shift < 32; shift += 8) octets_.push_back(static_cast<std::uint8_t>(size >> shift));
  octets_.insert(octets_.end(), string.begin(), string.end());
  slots_[slot] = offset;
  if (++used_ * 2 > slots_.size()) grow();
  return offset;
}

BytesView StringPool::get(std::uint32_t offset) const {
  std::uint32_t size = 0;
  std::memcpy(&size, octets_.data() + offset, sizeof size);
  return BytesView{octets_}.subspan(offset + sizeof size, size);
}

// Where the string is, or where it belongs.
std::size_t StringPool::slot_of(BytesView string) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(as_text(string)) & mask;
  while (slots_[slot] != 0 && !std::ranges::equal(get(slots_[slot]), string)) slot = (slot + 1) & mask;
  return slot;
}

void StringPool::grow() {
  std::vector<std::uint32_t> old(slots_.size() * 2, 0);
  old.swap(slots_);
  for (const std::uint32_t offset : old) {
    if (offset != 0) slots_[slot_of(get(offset))] = offset;
  }
}

}  // namespace muster::edge
