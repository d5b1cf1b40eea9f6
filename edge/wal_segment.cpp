// SPDX-License-Identifier: Apache-2.0
#include "edge/wal_segment.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/file.h"
#include "edge/wal_reader.h"

namespace muster::edge {
namespace {

Error disk_error(int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return Error{full ? ErrorCode::kResourceExhausted : ErrorCode::kUnavailable,
               full ? "wal.disk_full" : "wal.write_failed", std::strerror(error)};
}

}  // namespace

void remove_unfinished_segments(const std::string& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    if (entry->path().extension() != kUnfinishedSuffix) continue;
    const auto owner = from_mark_name(entry->path().filename().string().substr(0, 32) + ".mark");
    if (owner && !writer_lives(folder, *owner)) unlink(entry->path().c_str());
  }
}

Result<WalSegment> WalSegment::create(const std::string& folder, const SegmentHeader& header, std::uint64_t capacity,
                                      WalFileSystem& file_system) {
  const std::string path = folder + "/" + segment_name(header.incarnation, header.index, ".wal");
  const std::string unfinished = folder + "/" + segment_name(header.incarnation, header.index, kUnfinishedSuffix);
  UniqueFd fd{open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640)};
  if (!fd) return disk_error(errno);
  WalSegment segment{path, std::move(fd), capacity, file_system};
  // Under its name a segment has a header from the first moment: a reader takes the order of incarnations from it.
  bool named = false;
  const auto prepare = [&]() -> Result<void> {
    if (const int error = file_system.allocate(segment.fd_.get(), capacity); error != 0) return disk_error(error);
    MUSTER_TRY_VOID(segment.append(encode_segment_header(header)));
    // rename(2) would replace a file that has the name already.
    if (link(unfinished.c_str(), path.c_str()) != 0) return disk_error(errno);
    named = true;
    unlink(unfinished.c_str());
    if (!fsync_directory(folder).ok()) return disk_error(EIO);
    return {};
  };
  if (auto prepared = prepare(); !prepared.ok()) {
    unlink(unfinished.c_str());
    if (named) unlink(path.c_str());
    return std::move(prepared).error();
  }
  return segment;
}

Result<void> WalSegment::append(BytesView frames) {
  MUSTER_TRY_VOID(write_all(frames));
  if (const int error = file_system_->data_sync(fd_.get()); error != 0) return disk_error(error);
  durable_ = used_;
  return {};
}

Result<void> WalSegment::write_all(BytesView bytes) {
  while (!bytes.empty()) {
    std::size_t written = 0;
    const int error = file_system_->write(fd_.get(), bytes, static_cast<off_t>(used_), written);
    if (error == EINTR) continue;
    if (error != 0) return disk_error(error);
    if (written == 0) return disk_error(EIO);
    bytes = bytes.subspan(written);
    used_ += written;
  }
  return {};
}

void WalSegment::trim() {
  // A failure only leaves the reserved space in use until the segment is deleted.
  [[maybe_unused]] const int ignored = ftruncate(fd_.get(), static_cast<off_t>(used_));
}

std::uint64_t WalSegment::abandon() {
  if (durable_ <= kSegmentHeaderSize) {
    unlink(path_.c_str());
    return 0;
  }
  used_ = durable_;
  trim();
  return used_;
}

}  // namespace muster::edge
