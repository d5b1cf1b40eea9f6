// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the small files of this module have in common: a checksum at their end, and names that are numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::edge {

// seal appends the CRC-32C of all octets before it, which is a file's last field.
void seal(Bytes& file);
// unseal checks it and returns what it covers. Reason: snapshot.corrupt.
Result<BytesView> unseal(BytesView file);

// "{prefix}{number as 20 digits}{suffix}": in the order of their numbers. parse_numbered_name gives the number back.
std::string numbered_name(std::string_view prefix, std::uint64_t number, std::string_view suffix);
std::optional<std::uint64_t> parse_numbered_name(std::string_view prefix, std::string_view name,
                                                 std::string_view suffix);

}  // namespace muster::edge
