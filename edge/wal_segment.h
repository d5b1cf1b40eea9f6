// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/unique_fd.h"
#include "edge/wal_file_system.h"
#include "edge/wal_format.h"

namespace muster::edge {

// What writers that died while they made a segment left behind: its space is reserved and no reader looks at it.
void remove_unfinished_segments(const std::string& folder);

// WalSegment is the segment that a writer appends to. Confined to the committer thread. After a failure it must be
// dropped: a later fdatasync could report success for pages that the kernel has thrown away.
class WalSegment {
 public:
  // Creates the file with `capacity` octets reserved, header included, and makes its name durable; nothing is left
  // behind on failure. Reasons: wal.disk_full, wal.write_failed.
  static Result<WalSegment> create(const std::string& folder, const SegmentHeader& header, std::uint64_t capacity,
                                   WalFileSystem& file_system);

  std::uint64_t room() const { return capacity_ - used_; }
  std::uint64_t used() const { return used_; }
  // Writes and syncs. Reasons: wal.disk_full, wal.write_failed.
  Result<void> append(BytesView frames);
  // Gives back the space that was reserved and not used.
  void trim();
  // After a failed append: cuts off what did not become durable, and removes the file where nothing did. Returns the
  // octets that stay. Without this a disk that fails again and again would fill with segments.
  std::uint64_t abandon();

 private:
  WalSegment(std::string path, UniqueFd fd, std::uint64_t capacity, WalFileSystem& file_system)
      : path_(std::move(path)), fd_(std::move(fd)), capacity_(capacity), file_system_(&file_system) {}
  Result<void> write_all(BytesView bytes);

  std::string path_;
  UniqueFd fd_;
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;     // written
  std::uint64_t durable_ = 0;  // written and synced
  WalFileSystem* file_system_;
};

}  // namespace muster::edge
