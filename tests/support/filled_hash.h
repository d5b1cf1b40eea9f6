// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/record.h"

namespace muster::test_support {

// A hash of one octet repeated: easy to tell from others where nothing was hashed.
inline Sha256 filled_hash(std::uint8_t octet) {
  Sha256 hash{};
  hash.fill(octet);
  return hash;
}

}  // namespace muster::test_support
