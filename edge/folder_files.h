// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the small files beside the base: deltas and the heartbeat, which the edge writes, and the plugin's own state
// file. Grammar: docs/formats/snapshot.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edge/identity_change.h"
#include "edge/identity_view.h"

namespace muster::edge {

inline constexpr std::size_t kMaxDeltaBytes = 64U << 20;

struct Delta {
  StreamPosition from;
  StreamPosition to;  // of the same epoch
  std::vector<IdentityChange> changes;
};

// Reason: snapshot.limit_exceeded.
Result<Bytes> encode_delta(const StreamPosition& from, const StreamPosition& to,
                           std::span<const IdentityChange> changes);
// Reasons: snapshot.corrupt, snapshot.version_unsupported.
Result<Delta> decode_delta(BytesView file);

// "delta-00000000000000000042.delta" for a delta that ends at 42; parse_delta_name gives the 42 back.
std::string delta_name(std::uint64_t to);
std::optional<std::uint64_t> parse_delta_name(std::string_view name);

// The server said at `issued_at` that `position` was its newest, and signed that for one edge.
struct Heartbeat {
  StreamPosition position;
  UtcTime issued_at{};  // the server's clock
  HeartbeatSignature signature{};
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

Bytes encode_heartbeat(const Heartbeat& heartbeat);
// Reasons: snapshot.corrupt, snapshot.version_unsupported.
Result<Heartbeat> decode_heartbeat(BytesView file);

// The octets that the server signs: a heartbeat is good for one edge only, so that an edge that is cut off cannot use
// what another one was told.
Bytes heartbeat_message(const EdgeId& edge, const StreamPosition& position, UtcTime issued_at);

// The newest position that the plugin has held, kept so that an older file is refused also after a restart.
struct HeldState {
  StreamPosition position;
  std::vector<RawId> past_epochs;  // oldest first; a base of one of these is older than what was held
  UtcTime heartbeat_issued_at{};   // of the newest heartbeat, to within kHeartbeatKeptEvery; zero: none yet
  friend bool operator==(const HeldState&, const HeldState&) = default;
};
inline constexpr std::size_t kMaxPastEpochs = 256;

Bytes encode_held_state(const HeldState& state);
// Reasons: snapshot.corrupt, snapshot.version_unsupported.
Result<HeldState> decode_held_state(BytesView file);

inline constexpr std::chrono::seconds kHeartbeatKeptEvery{300};

struct ClockReading {
  UtcTime wall{};
  std::chrono::nanoseconds boottime{};
};
ClockReading read_clocks();

// How far this host's wall clock may stand behind the server's before heartbeats stop to count: a wall clock that is
// behind would also take expired certificates for valid ones.
inline constexpr std::chrono::seconds kMaxWallClockLag{300};

// HeartbeatAge follows the newest heartbeat. Only the server's own time counts, never what the edge says about it: how
// old a heartbeat was when we saw it first goes by wall time, from then on CLOCK_BOOTTIME counts.
class HeartbeatAge {
 public:
  // Heartbeats issued before `least` are those of the past: somebody kept them.
  explicit HeartbeatAge(UtcTime least) : newest_(least) {}
  // False where it is older than the newest, or from a future that this host's clock is too far away from.
  bool take(UtcTime issued_at, const ClockReading& now);
  // nullopt: none has been taken, or the wall clock stands behind the newest by more than kMaxWallClockLag.
  std::optional<std::uint64_t> seconds(const ClockReading& now) const;
  UtcTime newest() const { return newest_; }

 private:
  struct FirstSeen {
    std::chrono::seconds age;
    std::chrono::nanoseconds boottime;
  };
  UtcTime newest_;
  std::optional<FirstSeen> first_seen_;
};

}  // namespace muster::edge
