// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::edge {

// StringPool collects the strings of a base file: each its length (u32) and its octets, equal ones once only. The empty
// string stands at 0. Confined to one thread.
class StringPool {
 public:
  StringPool();
  // The string's offset. Reason: snapshot.limit_exceeded.
  Result<std::uint32_t> put(BytesView string);
  BytesView get(std::uint32_t offset) const;
  BytesView octets() const { return octets_; }

 private:
  void grow();
  std::size_t slot_of(BytesView string) const;

  Bytes octets_;
  std::vector<std::uint32_t> slots_;  // offsets by hash, 0: free; a power of two of them
  std::size_t used_ = 0;
};

}  // namespace muster::edge
