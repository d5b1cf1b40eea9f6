// SPDX-License-Identifier: Apache-2.0
#include "edge/folder_files.h"

#include <algorithm>
#include <array>

#include "core/clock.h"
#include "edge/entity_codec.h"
#include "edge/sealed_file.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

using Magic = std::array<std::uint8_t, 8>;
constexpr Magic kDeltaMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'D', 'L'};
constexpr Magic kHeartbeatMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'H', 'B'};
constexpr Magic kStateMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'S', 'T'};
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kDeltaPrefix = "delta-";
constexpr std::string_view kDeltaSuffix = ".delta";
constexpr std::chrono::seconds kMostSeconds{253'402'300'799};  // 9999-12-31T23:59:59Z

Error corrupt(const char* what) { return Error{ErrorCode::kCorrupt, "snapshot.corrupt", what}; }

// Magic, version, minimum reader version, feature bits.
void begin_file(WireWriter& out, const Magic& magic) {
  out.octets(magic);
  out.u32(kVersion);
  out.u32(kVersion);
  out.u64(0);
}

// Checks the checksum and the opening fields and returns what lies between.
Result<BytesView> open_file(BytesView file, const Magic& magic) {
  MUSTER_TRY(const BytesView covered, unseal(file));
  WireReader in{covered};
  if (in.array<8>() != magic) return corrupt("the magic is wrong");
  in.u32();
  const std::uint32_t minimum_reader = in.u32();
  const std::uint64_t features = in.u64();
  if (!in.ok()) return corrupt("the file is too short");
  if (minimum_reader > kVersion || features != 0) {
    return Error{ErrorCode::kUnsupported, "snapshot.version_unsupported", "the file needs a newer reader"};
  }
  return in.rest();
}

}  // namespace

Result<Bytes> encode_delta(const StreamPosition& from, const StreamPosition& to,
                           std::span<const IdentityChange> changes) {
  Bytes file;
  WireWriter out{file};
  begin_file(out, kDeltaMagic);
  out.octets(from.epoch.octets);
  out.u64(from.number);
  out.u64(to.number);
  out.u32(static_cast<std::uint32_t>(changes.size()));
  for (const IdentityChange& change : changes) {
    MUSTER_TRY_VOID(append_entity(file, change));
    if (file.size() + sizeof(std::uint32_t) > kMaxDeltaBytes) {
      return Error{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "the delta is too large: write a base"};
    }
  }
  seal(file);
  return file;
}

Result<Delta> decode_delta(BytesView file) {
  MUSTER_TRY(const BytesView body, open_file(file, kDeltaMagic));
  WireReader in{body};
  Delta delta;
  delta.from.epoch = delta.to.epoch = RawId{in.array<16>()};
  delta.from.number = in.u64();
  delta.to.number = in.u64();
  const std::uint32_t count = in.u32();
  BytesView rest = in.rest();
  if (!in.ok() || delta.to.number < delta.from.number) return corrupt("the delta's range is broken");
  for (std::uint32_t i = 0; i < count; ++i) {
    MUSTER_TRY(IdentityChange change, take_entity(rest));
    delta.changes.push_back(std::move(change));
  }
  if (!rest.empty()) return corrupt("something follows the last entity");
  return delta;
}

std::string delta_name(std::uint64_t to) { return numbered_name(kDeltaPrefix, to, kDeltaSuffix); }

std::optional<std::uint64_t> parse_delta_name(std::string_view name) {
  return parse_numbered_name(kDeltaPrefix, name, kDeltaSuffix);
}

Bytes encode_heartbeat(const Heartbeat& heartbeat) {
  Bytes file;
  WireWriter out{file};
  begin_file(out, kHeartbeatMagic);
  out.octets(heartbeat.position.epoch.octets);
  out.u64(heartbeat.position.number);
  out.i64(heartbeat.issued_at.time_since_epoch().count());
  out.octets(heartbeat.signature);
  seal(file);
  return file;
}

Result<Heartbeat> decode_heartbeat(BytesView file) {
  MUSTER_TRY(const BytesView body, open_file(file, kHeartbeatMagic));
  WireReader in{body};
  Heartbeat heartbeat;
  heartbeat.position.epoch = RawId{in.array<16>()};
  heartbeat.position.number = in.u64();
  heartbeat.issued_at = UtcTime{std::chrono::seconds{in.i64()}};
  heartbeat.signature = in.array<64>();
  if (!in.ok()) return corrupt("the heartbeat is too short");
  const auto issued = heartbeat.issued_at.time_since_epoch();
  if (issued < std::chrono::seconds{0} || issued > kMostSeconds) return corrupt("the heartbeat's time is impossible");
  return heartbeat;
}

Bytes heartbeat_message(const EdgeId& edge, const StreamPosition& position, UtcTime issued_at) {
  Bytes message;
  WireWriter out{message};
  out.octets(as_bytes("muster heartbeat v1\n"));
  out.octets(edge.octets());
  out.octets(position.epoch.octets);
  out.u64(position.number);
  out.i64(issued_at.time_since_epoch().count());
  return message;
}

Bytes encode_held_state(const HeldState& state) {
  Bytes file;
  WireWriter out{file};
  begin_file(out, kStateMagic);
  out.octets(state.position.epoch.octets);
  out.u64(state.position.number);
  out.count16(state.past_epochs.size());
  for (const RawId& epoch : state.past_epochs) out.octets(epoch.octets);
  out.i64(state.heartbeat_issued_at.time_since_epoch().count());
  seal(file);
  return file;
}

Result<HeldState> decode_held_state(BytesView file) {
  MUSTER_TRY(const BytesView body, open_file(file, kStateMagic));
  WireReader in{body};
  HeldState state;
  state.position.epoch = RawId{in.array<16>()};
  state.position.number = in.u64();
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) state.past_epochs.push_back(RawId{in.array<16>()});
  if (!in.ok()) return corrupt("the state is too short");
  if (in.rest().empty()) return state;  // written before heartbeats were signed
  const std::chrono::seconds heartbeat{in.i64()};
  if (!in.ok()) return corrupt("the state is too short");
  if (heartbeat < std::chrono::seconds{0} || heartbeat > kMostSeconds) return corrupt("the state's time is impossible");
  state.heartbeat_issued_at = UtcTime{heartbeat};
  return state;
}

ClockReading read_clocks() { return {SystemClock{}.now(), boottime_now()}; }

bool HeartbeatAge::take(UtcTime issued_at, const ClockReading& now) {
  if (issued_at < newest_ || now.wall + kMaxWallClockLag < issued_at) return false;
  if (first_seen_ && issued_at == newest_) return true;  // its age counts from when it was seen first
  newest_ = issued_at;
  first_seen_ = FirstSeen{std::max(now.wall - issued_at, std::chrono::seconds{0}), now.boottime};
  return true;
}

std::optional<std::uint64_t> HeartbeatAge::seconds(const ClockReading& now) const {
  if (!first_seen_ || now.wall + kMaxWallClockLag < newest_) return std::nullopt;
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(now.boottime - first_seen_->boottime);
  return static_cast<std::uint64_t>((first_seen_->age + since).count());
}

}  // namespace muster::edge
