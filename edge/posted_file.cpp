// SPDX-License-Identifier: Apache-2.0
#include "edge/posted_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/unique_fd.h"

namespace muster::edge {

Result<void> post_file(const std::string& path, BytesView content, mode_t mode) {
  const std::string unfinished = path + ".new";
  const UniqueFd file{open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)};
  bool ok = static_cast<bool>(file) && fchmod(file.get(), mode) == 0;
  for (std::size_t done = 0; ok && done < content.size();) {
    const ssize_t n = write(file.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    ok = n > 0;
    done += ok ? static_cast<std::size_t>(n) : 0;
  }
  if (ok && rename(unfinished.c_str(), path.c_str()) == 0) return {};
  const std::string why = std::strerror(errno);
  if (file) unlink(unfinished.c_str());
  return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + why};
}

}  // namespace muster::edge
