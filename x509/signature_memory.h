// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/record.h"

namespace muster::x509 {

// SignatureMemory remembers which certificates' signatures verified under which keys, so that a device that comes back
// costs no signature check for its own certificate nor for the CAs above it. What it holds is a fact about octets (this
// certificate, this key), which no registry, clock or revocation can change: everything else about a path is judged
// anew each time. Failures are not remembered. Fixed size: a new fact takes the place of an older one. Not thread-safe.
class SignatureMemory {
 public:
  // Room for `facts`, rounded up to a power of two; 32 octets each, touched when used.
  explicit SignatureMemory(std::size_t facts);

  bool knows(const Sha256& certificate_id, const Sha256& issuer_key);
  void remember(const Sha256& certificate_id, const Sha256& issuer_key);

  // How often knows() has said yes and no.
  struct Use {
    std::uint64_t known = 0;
    std::uint64_t unknown = 0;
  };
  const Use& use() const { return use_; }

 private:
  static Sha256 fact_of(const Sha256& certificate_id, const Sha256& issuer_key);
  std::size_t place_of(const Sha256& fact) const;

  std::vector<Sha256> facts_;  // pairs of neighbours: a fact stands in one of two places
  Use use_;
};

}  // namespace muster::x509
