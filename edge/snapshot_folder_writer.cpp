// SPDX-License-Identifier: Apache-2.0
#include "edge/snapshot_folder_writer.h"

#include <unistd.h>

#include <filesystem>

#include "core/file.h"
#include "edge/base_file_writer.h"
#include "edge/folder_files.h"
#include "edge/snapshot_loader.h"
#include "edge/trusted_file.h"

namespace muster::edge {

Result<SnapshotFolderWriter> SnapshotFolderWriter::open(SnapshotFolderWriterConfig config) {
  MUSTER_TRY_VOID(check_trusted_folder(config.folder, geteuid()));
  SnapshotFolderWriter writer{std::move(config)};
  const std::string& folder = writer.config_.folder;
  const auto base = load_base(folder, geteuid());
  if (!base.ok()) return writer;
  // A delta that cannot be used is as good as lost: the view ends before it, and the edge asks the server from there.
  auto loaded = apply_deltas(folder, geteuid(), *base);
  writer.view_ = loaded.view;
  for (const std::uint64_t to : list_deltas(folder)) {
    if (to > (*base)->position().number && to <= writer.view_->position().number) {
      writer.deltas_.push_back(delta_name(to));
      std::error_code ignored;
      writer.delta_bytes_ += std::filesystem::file_size(folder + "/" + delta_name(to), ignored);
    }
  }
  return writer;
}

Result<void> SnapshotFolderWriter::write_base(const StreamPosition& position,
                                              std::span<const IdentityChange> entities) {
  MUSTER_TRY_VOID(write_base_file(base_path(config_.folder), config_.file_mode, position, entities));
  MUSTER_TRY(view_, load_base(config_.folder, geteuid()));
  remove_deltas();
  return {};
}

void SnapshotFolderWriter::remove_deltas() {
  // Those of another epoch or from before the base, too: a reader ignores them, but they would pile up.
  for (const std::uint64_t to : list_deltas(config_.folder)) unlink((config_.folder + "/" + delta_name(to)).c_str());
  deltas_.clear();
  delta_bytes_ = 0;
}

Result<void> SnapshotFolderWriter::write_delta(const StreamPosition& from, const StreamPosition& to,
                                               std::span<const IdentityChange> changes) {
  const bool follows = view_ && view_->position() == from && to.epoch == from.epoch && to.number > from.number;
  if (!follows) return Error{ErrorCode::kFailedPrecondition, "snapshot.gap", "the delta does not follow what is held"};
  MUSTER_TRY(const Bytes file, encode_delta(from, to, changes));
  const std::string name = delta_name(to.number);
  MUSTER_TRY_VOID(write_file_durably(config_.folder + "/" + name, file, config_.file_mode));
  deltas_.push_back(name);
  delta_bytes_ += file.size();
  view_ = view_->with(to, changes);
  return {};
}

Result<void> SnapshotFolderWriter::write_heartbeat(const StreamPosition& position, UtcTime issued_at,
                                                   const HeartbeatSignature& signature) {
  const Bytes file = encode_heartbeat({position, issued_at, signature});
  return write_file_durably(heartbeat_path(config_.folder), file, config_.file_mode);
}

bool SnapshotFolderWriter::wants_compaction() const {
  return deltas_.size() > config_.max_deltas || delta_bytes_ > config_.max_delta_bytes;
}

Result<void> SnapshotFolderWriter::compact() {
  std::vector<IdentityChange> entities;
  view_->for_each([&](const IdentityChange& entity) {
    // What is gone need not be told apart from what never was: both are refused.
    const bool gone = std::visit([](const auto& state) { return state.status == EntityStatus::kGone; }, entity);
    if (!gone) entities.push_back(entity);
  });
  return write_base(view_->position(), entities);
}

}  // namespace muster::edge
