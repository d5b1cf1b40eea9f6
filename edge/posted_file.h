// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::edge {

// post_file gives a file its content and its name in one step, for a reader in another process of this host. It is not
// synced: for what is worth nothing after the host has stopped. Reason: file.write_failed.
Result<void> post_file(const std::string& path, BytesView content, mode_t mode);

}  // namespace muster::edge
