// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/encoding.h"
#include "registry/json_text.h"

namespace muster::registry {

namespace {
constexpr char kEndOfName = '\x01';  // in no name
}

std::string to_json_object(std::span<const std::pair<std::string, std::string>> pairs) {
  std::string json = "{";
  for (const auto& [name, value] : pairs) {
    if (json.size() > 1) json += ',';
    append_json_string(json, name);
    json += ':';
    append_json_string(json, value);
  }
  return json + "}";
}

TextPairs to_pairs(const std::vector<std::string>& joined) {
  TextPairs pairs;
  pairs.reserve(joined.size());
  for (const std::string& pair : joined) {
    const std::size_t end = pair.find(kEndOfName);
    if (end == std::string::npos) continue;
    pairs.emplace_back(pair.substr(0, end), pair.substr(end + 1));
  }
  std::ranges::sort(pairs);
  return pairs;
}

std::string pairs_sql(const std::string& column) {
  return "CASE WHEN " + column +
         " = '{}' THEN '{}'::text[] ELSE ARRAY(SELECT e.k || E'\\x01' || e.v"
         " FROM jsonb_each_text(" +
         column + ") AS e (k, v)) END";
}

}  // namespace muster::registry
