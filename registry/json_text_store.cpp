// SPDX-License-Identifier: Apache-2.0
#include "core/encoding.h"
#include "registry/json_text.h"

namespace muster::registry {

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

TextPairs to_pairs(std::vector<std::string> flat) {
  TextPairs pairs;
  pairs.reserve(flat.size() / 2);
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2) pairs.emplace_back(std::move(flat[i]), std::move(flat[i + 1]));
  return pairs;
}

std::string pairs_sql(const std::string& column) {
  return "CASE WHEN " + column + " = '{}' THEN '{}'::text[] ELSE ARRAY(SELECT u.x FROM jsonb_each_text(" + column +
         ") AS e (k, v), unnest(ARRAY[e.k, e.v]) WITH ORDINALITY AS u (x, o) ORDER BY e.k COLLATE \"C\", u.o) END";
}

}  // namespace muster::registry
