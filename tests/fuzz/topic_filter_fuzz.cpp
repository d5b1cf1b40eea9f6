// SPDX-License-Identifier: Apache-2.0
//
// Oracles: (1) a naive recursive matcher agrees with filter_matches; (2) if `outer` covers `inner`, every name that
// matches inner matches outer; (3) nothing that is invalid is matched by a policy.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/topic_filter.h"

namespace {

std::vector<std::string_view> levels_of(std::string_view text) {
  std::vector<std::string_view> levels;
  for (;;) {
    const std::size_t slash = text.find('/');
    levels.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    text.remove_prefix(slash + 1);
  }
}

bool naive(const std::vector<std::string_view>& filter, const std::vector<std::string_view>& name, std::size_t i) {
  if (i == filter.size()) return i == name.size();
  if (filter[i] == "#") return true;
  if (i >= name.size()) return false;
  return (filter[i] == "+" || filter[i] == name[i]) && naive(filter, name, i + 1);
}

bool oracle(std::string_view filter, std::string_view name) {
  if (!name.empty() && name[0] == '$' && !filter.empty() && (filter[0] == '+' || filter[0] == '#')) return false;
  return naive(levels_of(filter), levels_of(name), 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::size_t first = input.find('\n');
  if (first == std::string_view::npos) return 0;
  const std::size_t second = input.find('\n', first + 1);
  const std::string_view a = input.substr(0, first);
  const std::string_view b = input.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  const std::string_view name = second == std::string_view::npos ? std::string_view{} : input.substr(second + 1);
  const bool a_ok = muster::is_valid_topic_filter(a);
  const bool b_ok = muster::is_valid_topic_filter(b);
  const bool name_ok = muster::is_valid_topic_name(name);
  if (a_ok && name_ok && muster::filter_matches(a, name) != oracle(a, name)) std::abort();
  if (a_ok && b_ok && name_ok && muster::filter_covers(a, b) && oracle(b, name) && !oracle(a, name)) std::abort();
  if (a_ok && !muster::filter_covers(a, a)) std::abort();
  (void)muster::strip_share(a);
  return 0;
}
