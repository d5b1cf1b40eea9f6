// SPDX-License-Identifier: Apache-2.0
//
// Purpose: where each device's newest session is, as edges say, and the orders that follow from it for edges: cut an
// older session, hand a command to the newest. What an edge says is a claim about devices of tenants that it serves. It
// routes and cuts, and gives nobody a right. Scope: system, unless said otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

struct SessionClaim {
  IncarnationId incarnation;  // of the broker's plugin: within one, the broker itself ends the older session
  TenantId tenant_id;
  DeviceId device_id;
  ConnectionId connection_id;
  std::chrono::milliseconds age{0};  // since the CONNECT, by a clock that no step moves
};

enum class ClaimOutcome : std::uint8_t {
  kNew,
  kKnown,  // said again
  kMoved,  // an older session on another broker is to be cut
  kOlder,  // this one is to be cut
};

struct ClaimVerdict {
  TenantId tenant_id;
  DeviceId device_id;
  std::string device_name;
  ClaimOutcome outcome = ClaimOutcome::kNew;
  bool contested = false;  // moved too often: tell people (true once in ten minutes)
  EdgeId other_edge;       // where the session was before; nil: nowhere
};

// Decides claims in one statement; those of devices that are not active, or of tenants outside `tenants` (empty: all),
// are left out. Newest is what began last by the database's clock: its arrival less its age. Commands that a device has
// not answered are handed to the edge again.
Result<std::vector<ClaimVerdict>> claim_sessions(db::Transaction& tx, const EdgeId& edge,
                                                 std::span<const TenantId> tenants,
                                                 std::span<const SessionClaim> claims);

struct EdgeOrder {
  RawId id;
  TenantId tenant_id;
  DeviceId device_id;
  ConnectionId connection_id;
  RawId command_id;  // nil: cut the connection; otherwise hand it this command
  std::string command_name;
  std::string content_type;
  Bytes payload;
  std::chrono::milliseconds expires_in{0};  // of a command
};

struct EdgeOrders {
  std::vector<EdgeOrder> orders;
  std::optional<std::chrono::milliseconds> next_due;  // where there are none: until the first that waits for its turn
};
// What is due for an edge and it does not have yet, oldest first, at most `limit`.
Result<EdgeOrders> read_edge_orders(db::Transaction& tx, const EdgeId& edge, std::size_t limit);
// The edge has these.
Result<void> finish_edge_orders(db::Transaction& tx, const EdgeId& edge, std::span<const RawId> ids);

// Commands that have expired are no orders any more; orders older than a day are for edges that never came back.
Result<std::size_t> prune_edge_orders(db::Transaction& tx, UtcTime before);

}  // namespace muster::registry
