// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/encoding.h"
#include "core/random.h"
#include "core/unique_fd.h"

namespace muster {
namespace {

Error file_error(ErrorCode code, std::string_view reason, const std::string& path) {
  return Error{code, reason, path + ": " + std::strerror(errno)};
}

Result<Bytes> read_all(int fd, const std::string& path, std::size_t max_bytes) {
  Bytes content;
  std::uint8_t buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(ErrorCode::kUnavailable, "file.unreadable", path);
    if (n == 0) return content;
    if (content.size() + static_cast<std::size_t>(n) > max_bytes) {
      return Error{ErrorCode::kResourceExhausted, "file.too_large", path};
    }
    content.insert(content.end(), buffer, buffer + n);
  }
}

Result<UniqueFd> open_for_reading(const std::string& path) {
  UniqueFd fd{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd && errno == ENOENT) return file_error(ErrorCode::kNotFound, "file.missing", path);
  if (!fd) return file_error(ErrorCode::kUnavailable, "file.unreadable", path);
  return fd;
}

Result<void> write_all(int fd, const std::string& path, BytesView content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return file_error(ErrorCode::kUnavailable, "file.write_failed", path);
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_temporary(const std::string& path, BytesView content, mode_t mode) {
  const UniqueFd fd{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)};
  if (!fd) return file_error(ErrorCode::kUnavailable, "file.write_failed", path);
  // The umask must not narrow what the caller asked for: a broker of another user may have to read the file.
  if (fchmod(fd.get(), mode) != 0) return file_error(ErrorCode::kUnavailable, "file.write_failed", path);
  MUSTER_TRY_VOID(write_all(fd.get(), path, content));
  if (fsync(fd.get()) != 0) return file_error(ErrorCode::kUnavailable, "file.write_failed", path);
  return {};
}

}  // namespace

Result<Bytes> read_file(const std::string& path, std::size_t max_bytes) {
  MUSTER_TRY(const UniqueFd fd, open_for_reading(path));
  return read_all(fd.get(), path, max_bytes);
}

Result<SecretBytes> read_secret_file(const std::string& path, std::size_t max_bytes) {
  MUSTER_TRY(const UniqueFd fd, open_for_reading(path));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return file_error(ErrorCode::kUnavailable, "file.unreadable", path);
  const bool owner_ok = info.st_uid == geteuid() || info.st_uid == 0;
  if (!S_ISREG(info.st_mode) || !owner_ok || (info.st_mode & 077) != 0) {
    return Error{ErrorCode::kFailedPrecondition, "file.permissions_too_open",
                 path + " must be a regular file of this user with mode 0600: run chmod 600 on it"};
  }
  MUSTER_TRY(Bytes content, read_all(fd.get(), path, max_bytes));
  return SecretBytes{std::move(content)};
}

Result<void> write_file_durably(const std::string& path, BytesView content, mode_t mode) {
  const std::string temporary = path + ".tmp." + to_hex(random_bytes(6));
  const auto written = write_temporary(temporary, content, mode);
  if (!written.ok()) {
    unlink(temporary.c_str());
    return written.error();
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = file_error(ErrorCode::kUnavailable, "file.write_failed", path);
    unlink(temporary.c_str());
    return error;
  }
  const std::size_t slash = path.rfind('/');
  return fsync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Result<void> fsync_directory(const std::string& path) {
  const UniqueFd fd{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd || fsync(fd.get()) != 0) return file_error(ErrorCode::kUnavailable, "file.write_failed", path);
  return {};
}

}  // namespace muster
