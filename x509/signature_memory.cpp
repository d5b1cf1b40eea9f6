// SPDX-License-Identifier: Apache-2.0
#include "x509/signature_memory.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "x509/sha256.h"

namespace muster::x509 {

SignatureMemory::SignatureMemory(std::size_t facts) : facts_(std::bit_ceil(std::max<std::size_t>(facts, 2))) {}

Sha256 SignatureMemory::fact_of(const Sha256& certificate_id, const Sha256& issuer_key) {
  std::array<std::uint8_t, 2 * sizeof(Sha256)> both{};
  std::ranges::copy(certificate_id, both.begin());
  std::ranges::copy(issuer_key, both.begin() + sizeof(Sha256));
  return sha256(both);
}

// The first of the two neighbours.
std::size_t SignatureMemory::place_of(const Sha256& fact) const {
  std::uint64_t start = 0;
  std::memcpy(&start, fact.data(), sizeof start);
  return start & (facts_.size() - 1) & ~std::size_t{1};
}

bool SignatureMemory::knows(const Sha256& certificate_id, const Sha256& issuer_key) {
  const Sha256 fact = fact_of(certificate_id, issuer_key);
  const std::size_t place = place_of(fact);
  const bool known = facts_[place] == fact || facts_[place + 1] == fact;
  ++(known ? use_.known : use_.unknown);
  return known;
}

void SignatureMemory::remember(const Sha256& certificate_id, const Sha256& issuer_key) {
  const Sha256 fact = fact_of(certificate_id, issuer_key);
  const std::size_t place = place_of(fact);
  if (facts_[place] == fact) return;
  facts_[place + 1] = facts_[place];  // the older of the two goes
  facts_[place] = fact;
}

}  // namespace muster::x509
