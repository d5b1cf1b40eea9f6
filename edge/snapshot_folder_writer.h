// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the writing side of the snapshot folder, which `muster edge` owns and the broker plugin only reads. Files
// are written under a temporary name, fsynced, renamed and never modified. Format and rules: docs/formats/snapshot.md.
//
//   base.snapshot                 the whole state at one position
//   delta-<20 digits of to>.delta what changed from one position to the next
//   heartbeat                     when the server last said that a position is its newest
//
// Confined to one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "edge/identity_change.h"
#include "edge/identity_view.h"
#include "edge/snapshot_view.h"

namespace muster::edge {

struct SnapshotFolderWriterConfig {
  std::string folder;                          // must exist; not writable by group or others
  mode_t file_mode = 0644;                     // no secrets inside; the folder's own mode limits who reads device names
  std::size_t max_deltas = 256;                // beyond either, wants_compaction() is true
  std::uint64_t max_delta_bytes = 8ULL << 20;  // octets of all delta files
};

class SnapshotFolderWriter {
 public:
  // Loads what an earlier run left; what is absent or cannot be used makes view() null, and the caller starts from a
  // full base. Reasons: config.folder_invalid.
  static Result<SnapshotFolderWriter> open(SnapshotFolderWriterConfig config);

  // What the folder holds; null before the first base. Shared with nobody: safe to keep.
  const std::shared_ptr<const SnapshotView>& view() const { return view_; }

  // Replaces everything by `entities` at `position` and drops the deltas. Entities that are kGone may be left out.
  // Reasons: file.write_failed, snapshot.limit_exceeded.
  Result<void> write_base(const StreamPosition& position, std::span<const IdentityChange> entities);

  // Adds a delta file. `from` must be view()'s position and `to` of the same epoch and after it.
  // Reasons: file.write_failed, snapshot.gap, snapshot.limit_exceeded.
  Result<void> write_delta(const StreamPosition& from, const StreamPosition& to,
                           std::span<const IdentityChange> changes);

  // Passes on that the server's newest position was `position` at `issued_at`, with the server's signature of that.
  // Reason: file.write_failed.
  Result<void> write_heartbeat(const StreamPosition& position, UtcTime issued_at, const HeartbeatSignature& signature);

  bool wants_compaction() const;
  // Writes view() as a new base and drops the deltas. Reasons: those of write_base.
  Result<void> compact();

 private:
  explicit SnapshotFolderWriter(SnapshotFolderWriterConfig config) : config_(std::move(config)) {}
  void remove_deltas();

  SnapshotFolderWriterConfig config_;
  std::shared_ptr<const SnapshotView> view_;
  std::vector<std::string> deltas_;  // names of the delta files that follow the base
  std::uint64_t delta_bytes_ = 0;
};

}  // namespace muster::edge
