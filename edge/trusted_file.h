// SPDX-License-Identifier: Apache-2.0
//
// Purpose: opening files that another process wrote, only when nobody but their rightful writer can have changed them.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "core/bytes.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::edge {

struct TrustedFile {
  UniqueFd fd;
  struct stat info {};
};

// Opens a regular file (no symbolic link) that belongs to this process's user, to root or to `owner`, and that neither
// group nor others may write. Reasons: snapshot.absent, snapshot.permissions, snapshot.unreadable.
Result<TrustedFile> open_trusted_file(const std::string& path, uid_t owner);

// The same for a whole small file. Reasons: those above, snapshot.corrupt where it is larger than `max_bytes`.
Result<Bytes> read_trusted_file(const std::string& path, uid_t owner, std::size_t max_bytes);

// For what another user wrote, so that nothing in it is believed: what its name stands for is a file of theirs or
// nothing. A link, which could make us show a file that only we may read, is not followed, and a FIFO does not hold us
// up. Reasons: snapshot.absent, snapshot.permissions, snapshot.unreadable, snapshot.corrupt (too large).
Result<Bytes> read_foreign_file(const std::string& path, std::size_t max_bytes);

// The check of open_trusted_file for a folder. Reason: config.folder_invalid, snapshot.permissions.
Result<void> check_trusted_folder(const std::string& path, uid_t owner);

}  // namespace muster::edge
