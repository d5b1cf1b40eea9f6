// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "core/bytes.h"
#include "core/result.h"
#include "core/secret_bytes.h"

namespace muster {

// read_file reads a whole file of at most `max_bytes`. Reasons: file.missing, file.unreadable, file.too_large.
Result<Bytes> read_file(const std::string& path, std::size_t max_bytes);

// read_secret_file reads a file that only its owner may read: a regular file, owned by this process's user or root,
// with no permission for group or others. Reasons: those of read_file, file.permissions_too_open.
Result<SecretBytes> read_secret_file(const std::string& path, std::size_t max_bytes);

// write_file_durably replaces `path` as a whole: temporary name in the same folder, fsync, rename, fsync of the folder.
// A reader sees the old content or the new one. Reason: file.write_failed (the old file then stays as it was).
Result<void> write_file_durably(const std::string& path, BytesView content, mode_t mode);

// fsync_directory makes the names in a folder durable. Reason: file.write_failed.
Result<void> fsync_directory(const std::string& path);

}  // namespace muster
