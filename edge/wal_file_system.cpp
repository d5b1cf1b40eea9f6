// SPDX-License-Identifier: Apache-2.0
#include "edge/wal_file_system.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace muster::edge {

int WalFileSystem::write(int fd, BytesView bytes, off_t offset, std::size_t& written) {
  const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), offset);
  written = n > 0 ? static_cast<std::size_t>(n) : 0;
  return n < 0 ? errno : 0;
}

int WalFileSystem::data_sync(int fd) { return fdatasync(fd) == 0 ? 0 : errno; }

int WalFileSystem::allocate(int fd, std::uint64_t bytes) { return posix_fallocate(fd, 0, static_cast<off_t>(bytes)); }

std::uint64_t WalFileSystem::free_bytes(const std::string& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return 0;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

WalFileSystem& WalFileSystem::real() {
  static WalFileSystem file_system;
  return file_system;
}

}  // namespace muster::edge
