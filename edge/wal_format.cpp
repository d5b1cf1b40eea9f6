// SPDX-License-Identifier: Apache-2.0
#include "edge/wal_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <tuple>

#include "core/crc32c.h"
#include "core/encoding.h"
#include "core/unique_fd.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

using Magic = std::array<std::uint8_t, 8>;
constexpr Magic kSegmentMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'W', 'L'};
constexpr Magic kMarkMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'M', 'K'};
constexpr std::array<std::uint8_t, 4> kFrameMagic = {0xF7, 'M', 'W', 0x1E};
constexpr std::uint32_t kVersion = 1;

void put_u32(Bytes& out, std::size_t at, std::uint32_t v) {
  for (int i = 0; i < 4; ++i) out[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(v >> (8 * i));
}

std::uint32_t get_u32(BytesView bytes, std::size_t at) { return WireReader{bytes.subspan(at, 4)}.u32(); }

// Fills up to `size` with zeros and puts the checksum of everything before it into the last four octets.
void seal_block(Bytes& block, std::size_t size) {
  block.resize(size - 4);
  WireWriter{block}.u32(crc32c(block));
}

bool block_is_sound(BytesView block, std::size_t size) {
  return block.size() >= size && crc32c(block.first(size - 4)) == get_u32(block, size - 4);
}

}  // namespace

Bytes encode_segment_header(const SegmentHeader& header) {
  Bytes block;
  WireWriter out{block};
  out.octets(kSegmentMagic);
  out.u32(kVersion);
  out.u32(kVersion);  // minimum reader version
  out.u64(0);         // feature bits
  out.octets(header.incarnation.octets());
  out.u64(header.generation);
  out.u64(header.index);
  out.u64(header.first_sequence);
  out.i64(header.created_wall);
  out.i64(header.created_boottime);
  seal_block(block, kSegmentHeaderSize);
  return block;
}

Result<SegmentHeader> decode_segment_header(BytesView bytes) {
  if (!block_is_sound(bytes, kSegmentHeaderSize)) {
    return Error{ErrorCode::kCorrupt, "wal.corrupt", "the segment's header is broken"};
  }
  WireReader in{bytes};
  if (in.array<8>() != kSegmentMagic) return Error{ErrorCode::kCorrupt, "wal.corrupt", "not a segment"};
  in.u32();
  const std::uint32_t minimum_reader = in.u32();
  if (minimum_reader > kVersion || in.u64() != 0) {
    return Error{ErrorCode::kUnsupported, "wal.version_unsupported", "the segment needs a newer reader"};
  }
  SegmentHeader header;
  header.incarnation = IncarnationId{RawId{in.array<16>()}};
  header.generation = in.u64();
  header.index = in.u64();
  header.first_sequence = in.u64();
  header.created_wall = in.i64();
  header.created_boottime = in.i64();
  return header;
}

FrameCodec::FrameCodec(const IncarnationId& incarnation) : seed_(crc32c(incarnation.octets())) {}

std::size_t FrameCodec::begin(Bytes& out) {
  const std::size_t at = out.size();
  out.resize(at + kFrameHeaderSize);
  return at;
}

void FrameCodec::seal(Bytes& out, std::size_t begun, FrameType type) const {
  std::memcpy(out.data() + begun, kFrameMagic.data(), kFrameMagic.size());
  put_u32(out, begun + 4, static_cast<std::uint32_t>(out.size() - begun - kFrameHeaderSize));
  put_u32(out, begun + 12, static_cast<std::uint32_t>(type));
  put_u32(out, begun + 8, checksum(BytesView{out}.subspan(begun)));
}

// Covers length, type and body.
std::uint32_t FrameCodec::checksum(BytesView frame) const {
  return crc32c(frame.subspan(12), crc32c(frame.subspan(4, 4), seed_));
}

std::optional<FrameCodec::Frame> FrameCodec::read(BytesView bytes) const {
  if (bytes.size() < kFrameHeaderSize || std::memcmp(bytes.data(), kFrameMagic.data(), kFrameMagic.size()) != 0) {
    return std::nullopt;
  }
  const std::uint32_t length = get_u32(bytes, 4);
  if (length > kMaxFrameBody || length > bytes.size() - kFrameHeaderSize) return std::nullopt;
  const BytesView frame = bytes.first(kFrameHeaderSize + length);
  if (checksum(frame) != get_u32(frame, 8)) return std::nullopt;
  return Frame{get_u32(frame, 12), frame.subspan(kFrameHeaderSize)};
}

std::size_t FrameCodec::find_next(BytesView bytes, std::size_t from) const {
  while (from < bytes.size()) {
    const auto at = std::search(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), kFrameMagic.begin(),
                                kFrameMagic.end());
    from = static_cast<std::size_t>(at - bytes.begin());
    if (at == bytes.end() || read(bytes.subspan(from))) return from;
    ++from;
  }
  return bytes.size();
}

Bytes encode_mark(const IncarnationId& incarnation, std::uint64_t durable) {
  Bytes block;
  WireWriter out{block};
  out.octets(kMarkMagic);
  out.u32(kVersion);
  out.u32(kVersion);
  out.octets(incarnation.octets());
  out.u64(durable);
  seal_block(block, kMarkSize);
  return block;
}

std::optional<std::uint64_t> decode_mark(BytesView bytes, const IncarnationId& incarnation) {
  if (!block_is_sound(bytes, kMarkSize)) return std::nullopt;
  WireReader in{bytes};
  const bool ours = in.array<8>() == kMarkMagic && in.u32() >= kVersion && in.u32() <= kVersion &&
                    IncarnationId{RawId{in.array<16>()}} == incarnation;
  if (!ours) return std::nullopt;
  return in.u64();
}

std::string segment_name(const IncarnationId& incarnation, std::uint64_t index, std::string_view suffix) {
  char number[24];
  std::snprintf(number, sizeof number, "-%08llu", static_cast<unsigned long long>(index));
  return to_hex(incarnation.octets()) + number + std::string{suffix};
}

std::string mark_name(const IncarnationId& incarnation) { return to_hex(incarnation.octets()) + ".mark"; }

std::optional<IncarnationId> from_mark_name(std::string_view name) {
  const auto octets = from_hex(name.substr(0, 32));
  if (!octets.ok() || octets->size() != 16) return std::nullopt;
  const IncarnationId incarnation = IncarnationId::from_octets(octets->data());
  if (mark_name(incarnation) != name) return std::nullopt;
  return incarnation;
}

std::vector<SegmentFile> list_segments(const std::string& folder) {
  std::vector<SegmentFile> segments;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.size() < 41 || name[32] != '-') continue;
    const auto octets = from_hex(std::string_view{name}.substr(0, 32));
    std::uint64_t index = 0;
    const std::size_t dot = name.find('.');
    if (!octets.ok() || dot == std::string::npos) continue;
    const auto parsed = std::from_chars(name.data() + 33, name.data() + dot, index);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + dot) continue;
    const std::string suffix = name.substr(dot);
    if (suffix != ".wal" && suffix != ".stored") continue;
    std::error_code vanished;
    const std::uint64_t size = entry->file_size(vanished);
    if (vanished) continue;
    segments.push_back({entry->path().string(), IncarnationId::from_octets(octets->data()), index,
                        suffix == ".wal" ? SegmentState::kPending : SegmentState::kStored, size});
  }
  std::ranges::sort(segments, {}, [](const SegmentFile& s) { return std::tuple{s.incarnation, s.index}; });
  return segments;
}

Result<SegmentHeader> read_segment_header(const std::string& path) {
  const UniqueFd fd{open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  if (!fd) return Error{ErrorCode::kUnavailable, "wal.unreadable", path + ": " + std::strerror(errno)};
  Bytes block(kSegmentHeaderSize);
  const ssize_t n = pread(fd.get(), block.data(), block.size(), 0);
  if (n < 0) return Error{ErrorCode::kUnavailable, "wal.unreadable", path + ": " + std::strerror(errno)};
  return decode_segment_header(BytesView{block}.first(static_cast<std::size_t>(n)));
}

}  // namespace muster::edge
