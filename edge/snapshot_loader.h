// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what both sides of the snapshot folder do with it: name its files and load them in order.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "edge/snapshot_view.h"

namespace muster::edge {

std::string base_path(const std::string& folder);
std::string heartbeat_path(const std::string& folder);
// The positions at which the folder's delta files end, ascending, going by their names.
std::vector<std::uint64_t> list_deltas(const std::string& folder);

// Reasons: those of BaseFile::open.
Result<std::shared_ptr<const SnapshotView>> load_base(const std::string& folder, uid_t owner);

struct AppliedDeltas {
  std::shared_ptr<const SnapshotView> view;  // as far as the deltas lead without a gap
  std::vector<IdentityChange> changes;
  std::optional<Error> stopped_by;  // the delta after that could not be used
};
AppliedDeltas apply_deltas(const std::string& folder, uid_t owner, std::shared_ptr<const SnapshotView> view);
// The same with those that end at `ends` (ascending): where they are known, a folder of a thousand need not be listed.
AppliedDeltas apply_deltas(const std::string& folder, uid_t owner, std::shared_ptr<const SnapshotView> view,
                           std::span<const std::uint64_t> ends);

}  // namespace muster::edge
