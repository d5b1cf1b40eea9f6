// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the entity lines that edges read, in canonical form: field order as here, no white space, labels sorted by
// name, groups sorted. The digest of a state is the XOR of the SHA-256 of its entities' lines, so order does not
// matter; in these lines stands what brokers hold of an entity (edge/base_file.h, held_form).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/record.h"
#include "core/time.h"
#include "edge/identity_change.h"
#include "registry/change_store.h"
#include "registry/entity_loader.h"

namespace muster::api {

std::string entity_line(const registry::EntityFacts& facts);  // without newline

// What edges make of the same line.
edge::EntityStatus to_edge_status(registry::Standing standing);
edge::IssuerState to_edge_issuer(const registry::IssuerFacts& facts);
edge::IssuerState to_edge_issuer(const registry::TrustAnchorFacts& facts);

class StateDigest {
 public:
  void add(const registry::EntityFacts& facts);
  std::string hex() const;

 private:
  Sha256 value_{};
};

// When the server said something, and its signature of that for the edge that it tells (edge/folder_files.h,
// heartbeat_message); without one where it could not sign: then the edge learns what changed all the same.
struct HeartbeatFacts {
  UtcTime issued_at{};
  Bytes signature;
};
std::string snapshot_begin(const registry::ChangePosition& position, const HeartbeatFacts& heartbeat);
std::string changes_begin(const registry::ChangePosition& from, std::uint64_t to, const HeartbeatFacts& heartbeat);
std::string stream_end(std::uint64_t count, std::string_view digest);  // digest empty: none

}  // namespace muster::api
