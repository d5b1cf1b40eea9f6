// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace muster {

void fill_random(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) std::abort();
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count);
  fill_random(out);
  return out;
}

}  // namespace muster
