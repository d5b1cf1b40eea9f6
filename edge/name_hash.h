// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/bytes.h"
#include "core/crc32c.h"

namespace muster::edge {

// name_hash is all that a base holds of a device's name: the lowest octet of its CRC-32C. A certificate that the
// registry lists for another device than the one that it names is refused by it, but for one in 256.
inline std::uint8_t name_hash(std::string_view name) { return static_cast<std::uint8_t>(crc32c(as_bytes(name))); }

}  // namespace muster::edge
