// SPDX-License-Identifier: Apache-2.0
//
// What the broker reads of its edge's folder: base.snapshot, delta, heartbeat and held state. A first octet chooses the
// format. Checksums are put right first, since they only keep accidents out.
// Oracle: a snapshot that opens can be walked, every entity is found again by its id, and it applies as a delta.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/crc32c.h"
#include "edge/base_file.h"
#include "edge/folder_files.h"
#include "edge/snapshot_view.h"

namespace {

namespace fmt = muster::edge::base_format;

void seal_base(muster::Bytes& file) {
  if (file.size() < sizeof(fmt::Header)) return;
  fmt::Header header;
  std::memcpy(&header, file.data(), sizeof header);
  header.magic = fmt::kMagic;
  header.version = header.minimum_reader_version = fmt::kVersion;
  header.features = 0;
  header.file_size = file.size();
  header.section_count %= 16;
  header.header_crc = 0;
  const std::size_t head = sizeof header + header.section_count * sizeof(fmt::Section);
  if (head > file.size()) return;
  const muster::BytesView all{file};
  header.body_crc = muster::crc32c(all.subspan(head));
  const std::uint32_t crc = muster::crc32c({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
  header.header_crc = muster::crc32c(all.subspan(sizeof header, head - sizeof header), crc);
  std::memcpy(file.data(), &header, sizeof header);
}

void seal_small(muster::Bytes& file) {
  if (file.size() < 4) return;
  const std::uint32_t crc = muster::crc32c(muster::BytesView{file}.first(file.size() - 4));
  std::memcpy(file.data() + file.size() - 4, &crc, sizeof crc);
}

struct ScratchFile {
  ScratchFile() {
    const int fd = mkstemp(path.data());
    if (fd < 0) std::abort();
    close(fd);
  }
  ~ScratchFile() { unlink(path.c_str()); }
  std::string path = "/tmp/muster-snapshot-fuzz-XXXXXX";
};

const std::string& scratch_path() {
  static const ScratchFile file;
  return file.path;
}

void read_base(const muster::Bytes& file) {
  unlink(scratch_path().c_str());  // ext4 writes a file that was truncated to the disk when it is closed
  const int fd = open(scratch_path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && write(fd, file.data(), file.size()) == static_cast<ssize_t>(file.size());
  if (fd >= 0) close(fd);
  if (!written) std::abort();
  auto base = muster::edge::BaseFile::open(scratch_path(), geteuid());
  if (!base.ok()) return;
  const muster::edge::SnapshotView view{*base};
  view.for_each([&](const muster::edge::IdentityChange& entity) {
    if (!view.find_same(entity)) std::abort();
    (void)view.with(view.position(), {&entity, 1})->find_same(entity);
  });
  view.for_each_certificate_until(muster::UtcTime{std::chrono::seconds{2'000'000'000}},
                                  [&](const muster::edge::CertificateState& certificate) {
                                    if (!view.find_certificate(certificate.id)) std::abort();
                                  });
  for (const auto& issuer : view.issuers()) (void)view.find_issuers_by_key(issuer.spki_sha256);
  (void)view.find_tenant_by_name("acme");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  muster::Bytes file{data + 1, data + size};
  if (data[0] % 4 == 0) {
    seal_base(file);
    read_base(file);
    return 0;
  }
  seal_small(file);
  if (data[0] % 4 == 1) {
    const auto delta = muster::edge::decode_delta(file);
    if (!delta.ok()) return 0;
    const auto again = muster::edge::encode_delta(delta->from, delta->to, delta->changes);
    if (!again.ok() || !muster::edge::decode_delta(*again).ok()) std::abort();
  } else if (data[0] % 4 == 2) {
    const auto heartbeat = muster::edge::decode_heartbeat(file);
    if (heartbeat.ok() && muster::edge::encode_heartbeat(*heartbeat).size() > file.size()) std::abort();
  } else {
    (void)muster::edge::decode_held_state(file);
  }
  return 0;
}
