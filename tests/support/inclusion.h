// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the holder of a certificate does with the proof that came with it (RFC 9162 §2.1.3.2).
#pragma once

#include <cstdint>
#include <span>

#include "ca/merkle_tree.h"

namespace muster::test_support {

inline bool verify_inclusion(const Sha256& leaf, std::uint64_t index, std::uint64_t size, std::span<const Sha256> proof,
                             const Sha256& root) {
  if (index >= size) return false;
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  Sha256 hash = leaf;
  for (const Sha256& sibling : proof) {
    if (last == 0) return false;
    if ((at & 1) != 0 || at == last) {
      hash = ca::merkle_node(sibling, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = ca::merkle_node(hash, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

}  // namespace muster::test_support
