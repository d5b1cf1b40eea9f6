// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "core/bytes.h"

namespace muster {

// fill_random fills `out` from the kernel's generator (getrandom(2)) and aborts if it cannot: nothing here may go on
// with a predictable id, serial or token.
void fill_random(std::span<std::uint8_t> out);
Bytes random_bytes(std::size_t count);

}  // namespace muster
