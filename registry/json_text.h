// SPDX-License-Identifier: Apache-2.0
//
// Purpose: name/value pairs as PostgreSQL takes them (jsonb) and gives them back (text[] of names joined with their
// values). Internal to registry/.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace muster::registry {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

std::string to_json_object(std::span<const std::pair<std::string, std::string>> pairs);

// SQL that turns the jsonb object `column` into an array for to_pairs. Sorting and taking apart is left to us: the
// sequencer reads every audit event this way.
std::string pairs_sql(const std::string& column);
// Sorted by name as octets.
TextPairs to_pairs(const std::vector<std::string>& joined);

}  // namespace muster::registry
