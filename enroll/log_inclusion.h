// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/record.h"

namespace muster::enroll {

// LogInclusion proves that a certificate is in the issuance log (docs/formats/transparency.md).
struct LogInclusion {
  std::uint64_t index = 0;
  std::uint64_t size = 0;                         // of the tree that the proof and the checkpoint are of
  std::vector<Sha256> proof;                      // nearest to the leaf first
  Sha256 blinding{};                              // opens the entry; of this certificate alone
  std::shared_ptr<const std::string> checkpoint;  // signed note, shared by a group
};

}  // namespace muster::enroll
