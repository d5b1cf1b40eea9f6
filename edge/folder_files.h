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

// The server said at `issued_at` that `position` was its newest.
struct Heartbeat {
  StreamPosition position;
  UtcTime issued_at{};                  // the server's clock
  std::chrono::nanoseconds asked_at{};  // CLOCK_BOOTTIME before the edge asked
  RawId boot_id;                        // of the boot that asked_at counts in
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

Bytes encode_heartbeat(const Heartbeat& heartbeat);
// Reasons: snapshot.corrupt, snapshot.version_unsupported.
Result<Heartbeat> decode_heartbeat(BytesView file);

// The newest position that the plugin has held, kept so that an older file is refused also after a restart.
struct HeldState {
  StreamPosition position;
  std::vector<RawId> past_epochs;  // oldest first; a base of one of these is older than what was held
  friend bool operator==(const HeldState&, const HeldState&) = default;
};
inline constexpr std::size_t kMaxPastEpochs = 256;

Bytes encode_held_state(const HeldState& state);
// Reasons: snapshot.corrupt, snapshot.version_unsupported.
Result<HeldState> decode_held_state(BytesView file);

// What the clocks say now, for heartbeat_age.
struct ClockReading {
  UtcTime wall{};
  std::chrono::nanoseconds boottime{};
  RawId boot_id;
};
ClockReading read_clocks();

// How far the edge's wall clock may stand behind the server's before the heartbeat stops to count: a wall clock that is
// behind would also take expired certificates for valid ones.
inline constexpr std::chrono::seconds kMaxWallClockLag{300};

// Seconds since the heartbeat: CLOCK_BOOTTIME within the boot that wrote it, wall time after another boot. nullopt when
// the wall clock stands behind the heartbeat by more than kMaxWallClockLag.
std::optional<std::uint64_t> heartbeat_age(const Heartbeat& heartbeat, const ClockReading& now);

}  // namespace muster::edge
