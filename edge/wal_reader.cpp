// SPDX-License-Identifier: Apache-2.0
#include "edge/wal_reader.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "core/record.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

// The folder is the broker's too: a link is not followed and a FIFO does not hold us up.
constexpr int kReadOnly = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
// Holds the largest frame twice, so that a frame which does not fit at the end of one chunk fits into the next.
constexpr std::size_t kChunk = 2 * (kMaxFrameBody + kFrameHeaderSize);
// Most of the time there are a few new records at the end of a preallocated segment.
constexpr std::size_t kSmallChunk = 256U << 10;

Result<Bytes> read_at(int fd, std::uint64_t offset, std::size_t most) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Error{ErrorCode::kUnavailable, "wal.unreadable", std::strerror(errno)};
  const auto size = static_cast<std::uint64_t>(status.st_size);
  most = static_cast<std::size_t>(std::min<std::uint64_t>(most, size - std::min(size, offset)));
  Bytes bytes(most);
  std::size_t done = 0;
  while (done < most) {
    const ssize_t n = pread(fd, bytes.data() + done, most - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kUnavailable, "wal.unreadable", std::strerror(errno)};
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::uint64_t sequence_of(BytesView record) { return WireReader{record.subspan(kRecordSequenceOffset, 8)}.u64(); }

bool is_record(const FrameCodec::Frame& frame) {
  return frame.type == static_cast<std::uint32_t>(FrameType::kRecord) && frame.body.size() >= kRecordFixedSize;
}

std::optional<std::uint64_t> read_mark(const std::string& folder, const IncarnationId& incarnation) {
  const UniqueFd fd{open((folder + "/" + mark_name(incarnation)).c_str(), kReadOnly)};
  if (!fd) return std::nullopt;
  const auto bytes = read_at(fd.get(), 0, kMarkSize);
  return bytes.ok() ? decode_mark(*bytes, incarnation) : std::nullopt;
}

// The sequence of the first sound record of a segment whose header is not readable.
std::optional<std::uint64_t> first_sound_sequence(const std::string& path, const FrameCodec& codec) {
  const UniqueFd fd{open(path.c_str(), kReadOnly)};
  if (!fd) return std::nullopt;
  const auto bytes = read_at(fd.get(), 0, kChunk);
  if (!bytes.ok()) return std::nullopt;
  const std::size_t at = codec.find_next(*bytes, 0);
  const auto frame = codec.read(BytesView{*bytes}.subspan(at));
  if (!frame || !is_record(*frame)) return std::nullopt;
  return sequence_of(frame->body);
}

}  // namespace

bool writer_lives(const std::string& folder, const IncarnationId& incarnation) {
  const UniqueFd fd{open((folder + "/" + mark_name(incarnation)).c_str(), kReadOnly)};
  return fd && flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::vector<WalIncarnation> list_incarnations(const std::string& folder) {
  std::map<IncarnationId, WalIncarnation> found;
  for (const SegmentFile& segment : list_segments(folder)) {
    WalIncarnation& incarnation = found[segment.incarnation];
    incarnation.id = segment.incarnation;
    if (incarnation.generation != 0) continue;
    const auto header = read_segment_header(segment.path);
    if (!header.ok()) continue;
    incarnation.generation = header->generation;
    incarnation.created = header->created_wall;
  }
  std::vector<WalIncarnation> all;
  for (auto& [id, incarnation] : found) {
    incarnation.lives = writer_lives(folder, id);
    all.push_back(incarnation);
  }
  std::ranges::sort(all, {}, [](const WalIncarnation& i) {
    return std::tuple{i.lives, i.generation, i.created, i.id};
  });
  return all;
}

WalReader::WalReader(std::string folder, IncarnationId incarnation, std::uint64_t from_sequence)
    : folder_(std::move(folder)),
      incarnation_(incarnation),
      codec_(incarnation),
      next_(std::max<std::uint64_t>(from_sequence, 1)),
      next_chunk_(kSmallChunk) {}

Result<WalBatch> WalReader::read(std::size_t max_records, std::size_t max_octets) {
  WalBatch batch;
  octets_taken_ = 0;
  Limits limits{max_records, max_octets, 0, false};
  read_limits(limits);
  if (limits.durable < next_) return batch;
  refresh_segments();
  for (;;) {
    MUSTER_TRY(const bool chosen, fd_ ? Result<bool>{true} : choose_segment());
    if (!chosen) break;
    MUSTER_TRY(const Progress progress, read_chunk(limits, batch));
    if (batch.records.size() >= limits.max_records || octets_taken_ >= limits.max_octets) return batch;
    if (progress == Progress::kCaughtUp) return batch;
    if (progress == Progress::kMore) continue;
    fd_.reset();
    if (current_ + 1 >= segments_.size()) break;
    step_over(segments_[current_ + 1].first_sequence, batch);
  }
  // All segments were read. What the mark promised and no segment held is lost.
  batch.finished = !limits.writer_lives;
  const auto mark = limits.writer_lives ? limits.durable : read_mark(folder_, incarnation_).value_or(0);
  step_over(mark + 1, batch);
  return batch;
}

void WalReader::step_over(std::uint64_t next, WalBatch& batch) {
  if (next <= next_) return;
  batch.gaps.push_back({next_, next - 1});
  next_ = next;
}

// The lock is looked at before anything is read: what a writer wrote before it died is then seen.
void WalReader::read_limits(Limits& limits) const {
  limits.writer_lives = writer_lives(folder_, incarnation_);
  limits.durable =
      limits.writer_lives ? read_mark(folder_, incarnation_).value_or(0) : std::numeric_limits<std::uint64_t>::max();
}

void WalReader::refresh_segments() {
  const std::uint64_t index = fd_ ? segments_[current_].index : 0;
  std::vector<Segment> fresh;
  for (const SegmentFile& file : list_segments(folder_)) {
    if (file.incarnation != incarnation_) continue;
    const auto known = std::ranges::find(segments_, file.index, &Segment::index);
    if (known != segments_.end()) {
      fresh.push_back({file.path, file.index, known->first_sequence});
      continue;
    }
    const auto header = read_segment_header(file.path);
    const bool ours = header.ok() && header->incarnation == incarnation_;
    const auto first = ours ? std::optional{header->first_sequence} : first_sound_sequence(file.path, codec_);
    if (first) fresh.push_back({file.path, file.index, *first});
  }
  segments_ = std::move(fresh);
  if (!fd_) return;
  const auto same = std::ranges::find(segments_, index, &Segment::index);
  if (same == segments_.end()) {
    fd_.reset();
  } else {
    current_ = static_cast<std::size_t>(same - segments_.begin());
  }
}

// The last segment that starts at or before the next sequence: after a failure an abandoned segment also holds records
// that were written again, to the segment after it.
Result<bool> WalReader::choose_segment() {
  if (segments_.empty()) return false;
  current_ = 0;
  while (current_ + 1 < segments_.size() && segments_[current_ + 1].first_sequence <= next_) ++current_;
  fd_ = UniqueFd{open(segments_[current_].path.c_str(), kReadOnly)};
  if (!fd_) return Error{ErrorCode::kUnavailable, "wal.unreadable", std::strerror(errno)};
  offset_ = kSegmentHeaderSize;
  return true;
}

std::uint64_t WalReader::end_of_segment() const {
  return current_ + 1 < segments_.size() ? segments_[current_ + 1].first_sequence
                                         : std::numeric_limits<std::uint64_t>::max();
}

Result<WalReader::Progress> WalReader::read_chunk(const Limits& limits, WalBatch& batch) {
  const std::size_t wanted = std::exchange(next_chunk_, kSmallChunk);
  MUSTER_TRY(Bytes chunk, read_at(fd_.get(), offset_, wanted));
  const bool to_the_end = chunk.size() < wanted;
  const BytesView bytes{chunk};
  batch.storage.push_back(std::move(chunk));  // moving a vector leaves its octets where they are
  std::size_t at = 0;
  while (batch.records.size() < limits.max_records && octets_taken_ < limits.max_octets) {
    if (limits.durable < next_) {
      offset_ += at;
      return Progress::kCaughtUp;
    }
    const auto frame = codec_.read(bytes.subspan(at));
    if (!frame) {
      if (!to_the_end && bytes.size() - at < kChunk / 2) {  // cut by the end of the chunk, perhaps
        if (at == 0) next_chunk_ = kChunk;
        break;
      }
      const std::size_t found = codec_.find_next(bytes, at);
      // A sound frame may lie over the end of the chunk: then it starts in the second half.
      offset_ += found == bytes.size() && !to_the_end ? found - kChunk / 2 : found;
      return found < bytes.size() || !to_the_end ? Progress::kMore : Progress::kSegmentDone;
    }
    if (is_record(*frame)) {
      const std::uint64_t sequence = sequence_of(frame->body);
      if (sequence >= end_of_segment()) return Progress::kSegmentDone;
      take(sequence, frame->body, batch);
    }
    at += frame->size();
  }
  offset_ += at;
  return Progress::kMore;
}

void WalReader::take(std::uint64_t sequence, BytesView record, WalBatch& batch) {
  if (sequence < next_) return;
  step_over(sequence, batch);
  next_ = sequence + 1;
  octets_taken_ += record.size();
  batch.records.push_back({sequence, record});
}

}  // namespace muster::edge
