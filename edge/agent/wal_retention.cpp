// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/wal_retention.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "core/clock.h"
#include "edge/wal_file_system.h"
#include "edge/wal_reader.h"

namespace muster::edge {
namespace {

struct StoredSegment {
  SegmentFile file;
  std::int64_t stored_at = 0;  // seconds; renaming sets the inode's time of change
};

std::vector<StoredSegment> stored_segments(const std::string& folder) {
  std::vector<StoredSegment> stored;
  for (SegmentFile& file : list_segments(folder)) {
    struct stat info {};
    if (file.state != SegmentState::kStored || stat(file.path.c_str(), &info) != 0) continue;
    stored.push_back({std::move(file), info.st_ctim.tv_sec});
  }
  std::ranges::stable_sort(stored, {}, &StoredSegment::stored_at);
  return stored;
}

void remove_marks_without_segments(const std::string& folder) {
  std::set<std::string> needed;
  for (const SegmentFile& file : list_segments(folder)) needed.insert(mark_name(file.incarnation));
  std::error_code error;
  std::vector<std::filesystem::path> spare;
  for (const auto& entry : std::filesystem::directory_iterator{folder, error}) {
    if (entry.path().extension() == ".mark" && !needed.contains(entry.path().filename())) spare.push_back(entry.path());
  }
  for (const auto& path : spare) {
    const auto octets = from_mark_name(path.filename().string());
    if (octets && !writer_lives(folder, *octets)) unlink(path.c_str());
  }
}

}  // namespace

void WalRetention::mark_stored(const IncarnationId& incarnation, std::uint64_t through, bool whole) const {
  std::vector<SegmentFile> segments = list_segments(folder_);
  std::erase_if(segments, [&](const SegmentFile& file) { return file.incarnation != incarnation; });
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const SegmentFile& file = segments[i];
    if (file.state == SegmentState::kStored) continue;
    if (!whole) {
      if (i + 1 == segments.size()) return;
      const auto next = read_segment_header(segments[i + 1].path);
      if (!next.ok() || next->first_sequence > through + 1) return;
    }
    const std::string name = folder_ + "/" + segment_name(incarnation, file.index, ".stored");
    // One that cannot be renamed stays pending and is tried again: it is counted as unshipped until then.
    if (rename(file.path.c_str(), name.c_str()) != 0) return;
  }
}

void WalRetention::expire() const {
  const std::int64_t now = SystemClock{}.now().time_since_epoch().count();
  const auto stored = stored_segments(folder_);
  std::uint64_t octets = 0;
  for (const StoredSegment& segment : stored) octets += segment.file.octets;
  std::uint64_t free = WalFileSystem::real().free_bytes(folder_);
  for (const StoredSegment& segment : stored) {
    const bool old = now - segment.stored_at > config_.keep_time.count();
    if (!old && octets <= config_.keep_bytes && free >= config_.free_bytes) break;
    if (unlink(segment.file.path.c_str()) != 0) continue;
    octets -= segment.file.octets;
    free += segment.file.octets;
  }
  remove_marks_without_segments(folder_);
}

}  // namespace muster::edge
