// SPDX-License-Identifier: Apache-2.0
#include "edge/snapshot_loader.h"

#include <algorithm>
#include <filesystem>

#include "edge/base_file.h"
#include "edge/folder_files.h"
#include "edge/trusted_file.h"

namespace muster::edge {

std::string base_path(const std::string& folder) { return folder + "/base.snapshot"; }
std::string heartbeat_path(const std::string& folder) { return folder + "/heartbeat"; }

std::vector<std::uint64_t> list_deltas(const std::string& folder) {
  std::vector<std::uint64_t> ends;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    if (const auto to = parse_delta_name(entry->path().filename().string())) ends.push_back(*to);
  }
  std::ranges::sort(ends);
  return ends;
}

Result<std::shared_ptr<const SnapshotView>> load_base(const std::string& folder, uid_t owner) {
  MUSTER_TRY(auto base, BaseFile::open(base_path(folder), owner));
  return std::shared_ptr<const SnapshotView>{std::make_shared<SnapshotView>(std::move(base))};
}

AppliedDeltas apply_deltas(const std::string& folder, uid_t owner, std::shared_ptr<const SnapshotView> view) {
  return apply_deltas(folder, owner, std::move(view), list_deltas(folder));
}

AppliedDeltas apply_deltas(const std::string& folder, uid_t owner, std::shared_ptr<const SnapshotView> view,
                           std::span<const std::uint64_t> ends) {
  AppliedDeltas applied{std::move(view), {}, std::nullopt};
  for (const std::uint64_t to : ends) {
    const StreamPosition held = applied.view->position();
    if (to <= held.number) continue;
    const auto file = read_trusted_file(folder + "/" + delta_name(to), owner, kMaxDeltaBytes);
    if (!file.ok() && file.error().reason == "snapshot.absent") continue;  // compacted away since we listed it
    auto delta = file.ok() ? decode_delta(*file) : Result<Delta>{file.error()};
    if (!delta.ok()) {
      applied.stopped_by = delta.error();
      return applied;
    }
    if (delta->from.epoch != held.epoch) continue;  // left over from before the database was restored
    if (delta->from != held || delta->to.number != to) {
      applied.stopped_by = Error{ErrorCode::kCorrupt, "snapshot.gap", delta_name(to) + " does not follow what is held"};
      return applied;
    }
    applied.view = applied.view->with(delta->to, delta->changes);
    std::ranges::move(delta->changes, std::back_inserter(applied.changes));
  }
  return applied;
}

}  // namespace muster::edge
