// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keyset cursors of lists. A cursor is the hexadecimal of the last item's key; keys are checked like any input
// and only ever compared. Internal to registry/.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "core/encoding.h"
#include "core/result.h"
#include "registry/page.h"
#include "registry/reasons.h"

namespace muster::registry {

inline std::size_t page_size(const PageRequest& page) { return std::clamp<std::size_t>(page.limit, 1, kMaxPageSize); }

inline std::string encode_cursor(std::string_view key) { return to_hex(as_bytes(key)); }

// Empty cursor: empty key. Reason: cursor.invalid.
inline Result<std::string> decode_cursor(const std::string& cursor) {
  const auto bytes = from_hex(cursor);
  if (!bytes.ok() || cursor.size() > 512 || as_text(*bytes).find('\0') != std::string_view::npos ||
      !is_utf8(as_text(*bytes))) {
    return Error{ErrorCode::kInvalidArgument, kCursorInvalid, ""};
  }
  return std::string(as_text(*bytes));
}

// A numeric key. `none`: what an empty cursor stands for. Reason: cursor.invalid.
inline Result<std::int64_t> decode_number_cursor(const std::string& cursor, std::int64_t none) {
  if (cursor.empty()) return none;
  MUSTER_TRY(const std::string text, decode_cursor(cursor));
  const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) return Error{ErrorCode::kInvalidArgument, kCursorInvalid, ""};
  return static_cast<std::int64_t>(std::stoll(text));
}

// Statements fetch one item more than asked for: if it is there, there is another page.
template <typename T, typename Key>
Page<T> finish_page(std::vector<T> items, std::size_t limit, const Key& key_of) {
  Page<T> page;
  const bool more = items.size() > limit;
  if (more) items.resize(limit);
  page.items = std::move(items);
  if (more) page.next_cursor = encode_cursor(key_of(page.items.back()));
  return page;
}

}  // namespace muster::registry
