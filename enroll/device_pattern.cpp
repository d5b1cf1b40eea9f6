// SPDX-License-Identifier: Apache-2.0
#include "enroll/device_pattern.h"

#include <algorithm>
#include <cstddef>

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxPattern = 128;

bool is_pattern_character(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '*';
}

}  // namespace

bool is_device_pattern(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPattern && std::ranges::all_of(text, is_pattern_character);
}

bool device_pattern_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;  // the last '*' that was passed
  std::size_t retry = 0;                      // where in the name it was tried to end
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace muster::enroll
