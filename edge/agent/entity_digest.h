// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/encoding.h"
#include "edge/base_file.h"
#include "edge/entity_line.h"
#include "x509/sha256.h"

namespace muster::edge {

// EntityDigest is what edge and server compare (edge/entity_line.h). Adding and removing are the same operation.
class EntityDigest {
 public:
  void toggle(const IdentityChange& entity) {
    if (status_of(entity) == EntityStatus::kGone) return;
    const Sha256 hash = x509::sha256(as_bytes(to_entity_line(held_form(entity))));
    for (std::size_t i = 0; i < digest_.size(); ++i) digest_[i] ^= hash[i];
  }
  std::string hex() const { return to_hex(digest_); }

 private:
  Sha256 digest_{};
};

}  // namespace muster::edge
