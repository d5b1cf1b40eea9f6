// SPDX-License-Identifier: Apache-2.0
//
// Purpose: name/value pairs as PostgreSQL takes them (jsonb) and gives them back (text[] of name, value, name, value
// …). Internal to registry/.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace muster::registry {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

std::string to_json_object(std::span<const std::pair<std::string, std::string>> pairs);
TextPairs to_pairs(std::vector<std::string> flat);

// SQL that turns the jsonb object `column` into such an array, sorted by name as octets.
std::string pairs_sql(const std::string& column);

}  // namespace muster::registry
