// SPDX-License-Identifier: Apache-2.0
//
// Purpose: enumerations as the text that the database and the REST interface use. Internal to registry/.
#pragma once

#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

namespace muster::registry {

template <typename E, std::size_t N>
using EnumNames = std::array<std::pair<E, std::string_view>, N>;

template <typename E, std::size_t N>
std::string_view name_of(const EnumNames<E, N>& names, E value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  std::abort();  // an enumerator that the table forgot
}

template <typename E, std::size_t N>
std::optional<E> value_of(const EnumNames<E, N>& names, std::string_view text) {
  for (const auto& [known, name] : names) {
    if (name == text) return known;
  }
  return std::nullopt;
}

// For text from the database, whose CHECK constraint allows nothing else.
template <typename E, std::size_t N>
E stored_value(const EnumNames<E, N>& names, std::string_view text) {
  const auto value = value_of(names, text);
  if (!value) std::abort();
  return *value;
}

}  // namespace muster::registry
