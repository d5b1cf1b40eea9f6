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
#include "edge/base_file_writer.h"
#include "edge/identity_change.h"
#include "edge/identity_view.h"
#include "edge/snapshot_view.h"

namespace muster::edge {

struct SnapshotFolderWriterConfig {
  std::string folder;                          // must exist; not writable by group or others
  mode_t file_mode = 0644;                     // no secrets inside; the folder's own mode limits who reads device names
  std::size_t max_deltas = 1024;               // beyond either, wants_compaction() is true
  std::uint64_t max_delta_bytes = 8ULL << 20;  // octets of all delta files
};

class SnapshotFolderWriter {
 public:
  // Loads what an earlier run left; what is absent or cannot be used makes view() null, and the caller starts from a
  // full base. Reasons: config.folder_invalid.
  static Result<SnapshotFolderWriter> open(SnapshotFolderWriterConfig config);
  ~SnapshotFolderWriter();  // waits for a compaction
  SnapshotFolderWriter(SnapshotFolderWriter&&) noexcept;
  SnapshotFolderWriter& operator=(SnapshotFolderWriter&&) noexcept;

  // What the folder holds; null before the first base. Shared with nobody: safe to keep.
  const std::shared_ptr<const SnapshotView>& view() const { return view_; }

  // Replaces everything by `entities` at `position` and drops the deltas. Entities that are kGone may be left out.
  // Reasons: file.write_failed, snapshot.limit_exceeded.
  Result<void> write_base(const StreamPosition& position, std::span<const IdentityChange> entities);

  Result<void> replace_base(const StreamPosition& position, BaseFileWriter&& base);

  // Adds a delta file. `from` must be view()'s position and `to` of the same epoch and after it.
  // Reasons: file.write_failed, snapshot.gap, snapshot.limit_exceeded.
  Result<void> write_delta(const StreamPosition& from, const StreamPosition& to,
                           std::span<const IdentityChange> changes);

  // Passes on that the server's newest position was `position` at `issued_at`, with the server's signature of that.
  // Reason: file.write_failed.
  Result<void> write_heartbeat(const StreamPosition& position, UtcTime issued_at, const HeartbeatSignature& signature);

  // Takes certificates that have expired out of view(), so that the next compaction leaves them out.
  void forget(std::vector<CertificateState> expired);

  bool wants_compaction() const;
  bool is_compacting() const { return compaction_ != nullptr; }
  // Writes view() as a new base and drops the deltas. Reasons: those of write_base.
  Result<void> compact();
  // The same in a thread of its own, while further deltas are written: a million devices take seconds, which no
  // revocation may wait for. To be called again and again: starts one where it is wanted, and takes over the base of
  // one that has ended. Reasons: those of write_base.
  Result<void> compact_aside();

 private:
  struct Compaction;
  explicit SnapshotFolderWriter(SnapshotFolderWriterConfig config);
  void remove_leftovers() const;
  void follow_deltas(const std::shared_ptr<const SnapshotView>& base);
  Result<void> take_over_base();
  void remove_deltas(std::uint64_t up_to);

  SnapshotFolderWriterConfig config_;
  std::shared_ptr<const SnapshotView> view_;
  std::size_t deltas_ = 0;  // delta files that follow the base
  std::uint64_t delta_bytes_ = 0;
  std::unique_ptr<Compaction> compaction_;  // null: none runs
};

}  // namespace muster::edge
