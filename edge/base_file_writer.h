// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "edge/identity_change.h"

namespace muster::edge {

// write_base_file replaces `path` by a base file of these entities: temporary name in the same folder, fsync, rename,
// fsync of the folder. Of two states of one entity the later in the list counts. A certificate whose tenant is not its
// device's is written as gone. Reasons: file.write_failed (the old file then stays), snapshot.limit_exceeded.
Result<void> write_base_file(const std::string& path, mode_t mode, const StreamPosition& position,
                             std::span<const IdentityChange> entities);

}  // namespace muster::edge
