// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the octets of WAL segments and marks, shared by writer and reader. Grammar: docs/formats/wal.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"

namespace muster::edge {

inline constexpr std::size_t kSegmentHeaderSize = 96;
inline constexpr std::size_t kFrameHeaderSize = 16;
inline constexpr std::size_t kMarkSize = 64;
inline constexpr std::uint32_t kMaxFrameBody = 4U << 20;  // longer records are refused when they are appended

struct SegmentHeader {
  IncarnationId incarnation;
  std::uint64_t generation = 0;  // counts the incarnations of a folder: their order, whatever the clock did
  std::uint64_t index = 0;       // of the segment in its incarnation, from 0
  std::uint64_t first_sequence = 0;
  UnixMicros created_wall = 0;
  std::int64_t created_boottime = 0;  // nanoseconds
};
Bytes encode_segment_header(const SegmentHeader& header);
// Reasons: wal.corrupt, wal.version_unsupported.
Result<SegmentHeader> decode_segment_header(BytesView bytes);

enum class FrameType : std::uint32_t { kRecord = 1, kClockStep = 2 };

// Frames of one incarnation: magic, length, checksum, type, body. The checksum is seeded with the incarnation, so that
// a frame can move to a new segment of it and never passes for another's.
class FrameCodec {
 public:
  explicit FrameCodec(const IncarnationId& incarnation);
  // Reserves the header of a frame at the end of `out`; the body is appended after it, then seal() is called.
  static std::size_t begin(Bytes& out);
  void seal(Bytes& out, std::size_t begun, FrameType type) const;

  struct Frame {
    std::uint32_t type = 0;
    BytesView body;
    std::size_t size() const { return kFrameHeaderSize + body.size(); }
  };
  // The frame at the start of `bytes`; nullopt where there is none that is whole and sound.
  std::optional<Frame> read(BytesView bytes) const;
  // Where the next sound frame starts at or after `from`; bytes.size() where there is none.
  std::size_t find_next(BytesView bytes, std::size_t from) const;

 private:
  std::uint32_t checksum(BytesView covered) const;
  std::uint32_t seed_;
};

Bytes encode_mark(const IncarnationId& incarnation, std::uint64_t durable);
// nullopt where it is no sound mark of this incarnation.
std::optional<std::uint64_t> decode_mark(BytesView bytes, const IncarnationId& incarnation);

// Names: <32 hex of incarnation>-<8 digits of index>.wal (not yet known to be in the log), .stored (in the log),
// .unfinished (its header is being written; nothing reads it); <32 hex>.mark.
inline constexpr std::string_view kUnfinishedSuffix = ".unfinished";
std::string segment_name(const IncarnationId& incarnation, std::uint64_t index, std::string_view suffix);
std::string mark_name(const IncarnationId& incarnation);
std::optional<IncarnationId> from_mark_name(std::string_view name);

enum class SegmentState : std::uint8_t { kPending, kStored };
struct SegmentFile {
  std::string path;
  IncarnationId incarnation;
  std::uint64_t index = 0;
  SegmentState state = SegmentState::kPending;
  std::uint64_t octets = 0;
};
// All segments of a folder, by incarnation and index. Files of other names are not looked at.
std::vector<SegmentFile> list_segments(const std::string& folder);
// The header of a segment file. Reasons: wal.unreadable, wal.corrupt, wal.version_unsupported.
Result<SegmentHeader> read_segment_header(const std::string& path);

}  // namespace muster::edge
