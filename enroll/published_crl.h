// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/bytes.h"
#include "core/time.h"
#include "registry/crl_store.h"

namespace muster::enroll {

// PublishedCrl is the CRL of one shard as it is served. Immutable.
struct PublishedCrl {
  Bytes der;
  std::uint64_t number = 0;  // another one: other octets
  UtcTime this_update{};
  UtcTime next_update{};
  registry::CrlLayout layout;  // how it is stored
};

}  // namespace muster::enroll
