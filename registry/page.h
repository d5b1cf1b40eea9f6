// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace muster::registry {

inline constexpr std::size_t kMaxPageSize = 1000;

// PageRequest asks for the items after `cursor` ("" for the first page). Cursors are keyset cursors: an item that is
// added or removed meanwhile never makes another one appear twice or be skipped.
struct PageRequest {
  std::size_t limit = 100;  // 1..kMaxPageSize; larger is taken as kMaxPageSize
  std::string cursor;       // opaque text from a former page; reason cursor.invalid
};

template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_cursor;  // empty: this was the last page
};

}  // namespace muster::registry
