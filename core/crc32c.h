// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/bytes.h"

namespace muster {

// crc32c computes CRC-32C (Castagnoli, RFC 3720 §12.1) of `bytes`; `crc` continues an earlier result.
std::uint32_t crc32c(BytesView bytes, std::uint32_t crc = 0);

}  // namespace muster
