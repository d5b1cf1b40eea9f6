// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace muster::bench {

// allocation_count returns how often this program has called operator new. Linking allocation_count.cpp replaces the
// operator; confined to programs with one thread.
std::size_t allocation_count();

}  // namespace muster::bench
