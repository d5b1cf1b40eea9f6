// SPDX-License-Identifier: Apache-2.0
#include "edge/trusted_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace muster::edge {
namespace {

bool is_trusted(const struct stat& info, uid_t owner) {
  const bool owner_ok = info.st_uid == geteuid() || info.st_uid == 0 || info.st_uid == owner;
  return owner_ok && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Error untrusted(const std::string& path) {
  return Error{ErrorCode::kFailedPrecondition, "snapshot.permissions",
               path + " must belong to the edge's user or root and be writable by its owner only"};
}

// A regular file, whoever it belongs to.
Result<TrustedFile> open_plain_file(const std::string& path) {
  // O_NONBLOCK: a FIFO of that name must not hold us up before fstat shows what it is.
  TrustedFile file{UniqueFd{open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)}, {}};
  if (!file.fd) {
    if (errno == ENOENT) return Error{ErrorCode::kNotFound, "snapshot.absent", path};
    if (errno == ELOOP) return untrusted(path);
    return Error{ErrorCode::kUnavailable, "snapshot.unreadable", path + ": " + std::strerror(errno)};
  }
  if (fstat(file.fd.get(), &file.info) != 0 || !S_ISREG(file.info.st_mode)) return untrusted(path);
  return file;
}

Result<Bytes> read_whole(const TrustedFile& file, const std::string& path, std::size_t max_bytes) {
  if (static_cast<std::uint64_t>(file.info.st_size) > max_bytes) {
    return Error{ErrorCode::kCorrupt, "snapshot.corrupt", path + " is too large"};
  }
  Bytes content(static_cast<std::size_t>(file.info.st_size));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = read(file.fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kUnavailable, "snapshot.unreadable", path + ": " + std::strerror(errno)};
    if (n == 0) return Error{ErrorCode::kCorrupt, "snapshot.corrupt", path + " became shorter while it was read"};
    done += static_cast<std::size_t>(n);
  }
  return content;
}

}  // namespace

Result<TrustedFile> open_trusted_file(const std::string& path, uid_t owner) {
  MUSTER_TRY(TrustedFile file, open_plain_file(path));
  if (!is_trusted(file.info, owner)) return untrusted(path);
  return file;
}

Result<Bytes> read_trusted_file(const std::string& path, uid_t owner, std::size_t max_bytes) {
  MUSTER_TRY(const TrustedFile file, open_trusted_file(path, owner));
  return read_whole(file, path, max_bytes);
}

Result<Bytes> read_foreign_file(const std::string& path, std::size_t max_bytes) {
  MUSTER_TRY(const TrustedFile file, open_plain_file(path));
  return read_whole(file, path, max_bytes);
}

Result<void> check_trusted_folder(const std::string& path, uid_t owner) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, "config.folder_invalid", path + " is not a folder"};
  }
  if (!is_trusted(info, owner)) return untrusted(path);
  return {};
}

}  // namespace muster::edge
