// SPDX-License-Identifier: Apache-2.0
//
// The shipper's reading of a segment that a broker of another user wrote, or a disk damaged. Checksums of frames are
// put right first. Oracle: sequences ascend, records and gaps do not overlap, and reading comes to an end.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "core/crc32c.h"
#include "edge/wal_format.h"
#include "edge/wal_reader.h"

namespace {

using muster::Bytes;
using muster::BytesView;
namespace edge = muster::edge;

const muster::IncarnationId kIncarnation{muster::RawId{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}};

struct ScratchFolder {
  ScratchFolder() {
    if (mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path = "/tmp/muster-wal-fuzz-XXXXXX";
};

const std::string& scratch_folder() {
  static const ScratchFolder folder;
  return folder.path;
}

// Gives each frame that claims to lie inside the file the checksum that its writer would have given it.
void seal_frames(Bytes& file) {
  const std::uint32_t seed = muster::crc32c(kIncarnation.octets());
  std::size_t at = edge::kSegmentHeaderSize;
  while (at + edge::kFrameHeaderSize <= file.size()) {
    std::uint32_t length;
    std::memcpy(&length, file.data() + at + 4, sizeof length);
    if (length > file.size() - at - edge::kFrameHeaderSize) return;
    const BytesView frame = BytesView{file}.subspan(at, edge::kFrameHeaderSize + length);
    const std::uint32_t crc = muster::crc32c(frame.subspan(12), muster::crc32c(frame.subspan(4, 4), seed));
    std::memcpy(file.data() + at + 8, &crc, sizeof crc);
    at += frame.size();
  }
}

void seal_header(Bytes& file) {
  if (file.size() < edge::kSegmentHeaderSize) return;
  const std::uint32_t crc = muster::crc32c(BytesView{file}.first(edge::kSegmentHeaderSize - 4));
  std::memcpy(file.data() + edge::kSegmentHeaderSize - 4, &crc, sizeof crc);
}

void write_segment(std::uint64_t index, const Bytes& file) {
  const std::string path = scratch_folder() + "/" + edge::segment_name(kIncarnation, index, ".wal");
  unlink(path.c_str());  // ext4 writes a file that was truncated to the disk when it is closed
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size());
  if (fd >= 0) close(fd);
  if (!written) std::abort();
}

}  // namespace

// The first octet says where a second segment starts, in units of 1/256 of the input; 0: there is one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t cut = data[0] == 0 ? size : 1 + (size - 1) * data[0] / 256;
  std::uint64_t index = 0;
  for (Bytes file : {Bytes{data + 1, data + cut}, Bytes{data + cut, data + size}}) {
    seal_header(file);
    seal_frames(file);
    write_segment(index++, file);
  }
  (void)edge::list_incarnations(scratch_folder());
  edge::WalReader reader{scratch_folder(), kIncarnation, 1};
  std::uint64_t last = 0;
  for (int round = 0; round < 1'000; ++round) {
    const auto batch = reader.read(100, 1 << 16);
    if (!batch.ok()) return 0;
    for (const edge::WalRecord& record : batch->records) {
      if (record.sequence <= last) std::abort();
      last = record.sequence;
    }
    for (const edge::WalGap& gap : batch->gaps) {
      if (gap.from > gap.to) std::abort();
    }
    if (batch->finished) return 0;
  }
  std::abort();
}
