// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace muster {

namespace short_text {
template <typename Word>
Word word_at(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
}  // namespace short_text

// equal_text compares like ==. For texts of some ten octets, where a call of memcmp costs more than the comparing:
// words that may overlap, and no call.
inline bool equal_text(std::string_view a, std::string_view b) {
  using short_text::word_at;
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  const char* x = a.data();
  const char* y = b.data();
  if (size >= 8) {
    std::uint64_t different = word_at<std::uint64_t>(x + size - 8) ^ word_at<std::uint64_t>(y + size - 8);
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      different |= word_at<std::uint64_t>(x + at) ^ word_at<std::uint64_t>(y + at);
    }
    return different == 0;
  }
  if (size >= 4) {
    return word_at<std::uint32_t>(x) == word_at<std::uint32_t>(y) &&
           word_at<std::uint32_t>(x + size - 4) == word_at<std::uint32_t>(y + size - 4);
  }
  for (std::size_t at = 0; at < size; ++at) {
    if (x[at] != y[at]) return false;
  }
  return true;
}

}  // namespace muster
