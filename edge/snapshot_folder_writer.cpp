// SPDX-License-Identifier: Apache-2.0
#include "edge/snapshot_folder_writer.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <optional>
#include <thread>

#include "core/file.h"
#include "edge/base_file_writer.h"
#include "edge/folder_files.h"
#include "edge/snapshot_loader.h"
#include "edge/trusted_file.h"

namespace muster::edge {

namespace {

Result<void> write_view(const SnapshotView& view, const std::string& path, mode_t mode) {
  BaseFileWriter base;
  std::optional<Error> failed;
  view.for_each([&](const IdentityChange& entity) {
    if (failed) return;
    const auto added = base.add(entity);
    if (!added.ok()) failed = added.error();
  });
  if (failed) return *failed;
  return base.write(path, mode, view.position());
}

}  // namespace

struct SnapshotFolderWriter::Compaction {
  std::atomic<bool> ended{false};
  Result<void> outcome;  // to be read once ended
  std::jthread thread;   // stands last: it is waited for first
};

SnapshotFolderWriter::SnapshotFolderWriter(SnapshotFolderWriterConfig config) : config_(std::move(config)) {}
SnapshotFolderWriter::~SnapshotFolderWriter() = default;
SnapshotFolderWriter::SnapshotFolderWriter(SnapshotFolderWriter&&) noexcept = default;
SnapshotFolderWriter& SnapshotFolderWriter::operator=(SnapshotFolderWriter&&) noexcept = default;

Result<SnapshotFolderWriter> SnapshotFolderWriter::open(SnapshotFolderWriterConfig config) {
  MUSTER_TRY_VOID(check_trusted_folder(config.folder, geteuid()));
  SnapshotFolderWriter writer{std::move(config)};
  writer.remove_leftovers();
  const auto base = load_base(writer.config_.folder, geteuid());
  if (base.ok()) writer.follow_deltas(*base);
  return writer;
}

// A base that was being written when the process was killed.
void SnapshotFolderWriter::remove_leftovers() const {
  const std::string prefix = std::filesystem::path{base_path(config_.folder)}.filename().string() + ".tmp.";
  std::error_code error;
  std::filesystem::directory_iterator entry{config_.folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) unlink(entry->path().c_str());
  }
}

// A delta that cannot be used is as good as lost: the view ends before it, and the edge asks the server from there.
void SnapshotFolderWriter::follow_deltas(const std::shared_ptr<const SnapshotView>& base) {
  const std::string& folder = config_.folder;
  view_ = apply_deltas(folder, geteuid(), base).view;
  deltas_ = 0;
  delta_bytes_ = 0;
  for (const std::uint64_t to : list_deltas(folder)) {
    if (to <= base->position().number || to > view_->position().number) continue;
    std::error_code ignored;
    ++deltas_;
    delta_bytes_ += std::filesystem::file_size(folder + "/" + delta_name(to), ignored);
  }
}

Result<void> SnapshotFolderWriter::write_base(const StreamPosition& position,
                                              std::span<const IdentityChange> entities) {
  BaseFileWriter base;
  for (const IdentityChange& entity : entities) MUSTER_TRY_VOID(base.add(entity));
  return replace_base(position, std::move(base));
}

Result<void> SnapshotFolderWriter::replace_base(const StreamPosition& position, BaseFileWriter&& base) {
  compaction_.reset();  // or it would put its older base in place of this one
  MUSTER_TRY_VOID(base.write(base_path(config_.folder), config_.file_mode, position));
  MUSTER_TRY(view_, load_base(config_.folder, geteuid()));
  // Those of another epoch or from before the base, too: a reader ignores them, but they would pile up.
  remove_deltas(std::numeric_limits<std::uint64_t>::max());
  deltas_ = 0;
  delta_bytes_ = 0;
  return {};
}

void SnapshotFolderWriter::remove_deltas(std::uint64_t up_to) {
  for (const std::uint64_t to : list_deltas(config_.folder)) {
    if (to <= up_to) unlink((config_.folder + "/" + delta_name(to)).c_str());
  }
}

Result<void> SnapshotFolderWriter::write_delta(const StreamPosition& from, const StreamPosition& to,
                                               std::span<const IdentityChange> changes) {
  const bool follows = view_ && view_->position() == from && to.epoch == from.epoch && to.number > from.number;
  if (!follows) return Error{ErrorCode::kFailedPrecondition, "snapshot.gap", "the delta does not follow what is held"};
  MUSTER_TRY(const Bytes file, encode_delta(from, to, changes));
  const std::string name = delta_name(to.number);
  MUSTER_TRY_VOID(write_file_durably(config_.folder + "/" + name, file, config_.file_mode));
  ++deltas_;
  delta_bytes_ += file.size();
  view_ = view_->with(to, changes);
  return {};
}

Result<void> SnapshotFolderWriter::write_heartbeat(const StreamPosition& position, UtcTime issued_at,
                                                   const HeartbeatSignature& signature) {
  const Bytes file = encode_heartbeat({position, issued_at, signature});
  return write_file_durably(heartbeat_path(config_.folder), file, config_.file_mode);
}

void SnapshotFolderWriter::forget(std::vector<CertificateState> expired) {
  std::vector<IdentityChange> changes;
  for (CertificateState& certificate : expired) {
    certificate.status = EntityStatus::kGone;
    changes.emplace_back(certificate);
  }
  view_ = view_->with(view_->position(), changes);
}

bool SnapshotFolderWriter::wants_compaction() const {
  return deltas_ > config_.max_deltas || delta_bytes_ > config_.max_delta_bytes;
}

Result<void> SnapshotFolderWriter::compact() {
  compaction_.reset();
  MUSTER_TRY_VOID(write_view(*view_, base_path(config_.folder), config_.file_mode));
  return take_over_base();
}

Result<void> SnapshotFolderWriter::compact_aside() {
  if (compaction_) {
    if (!compaction_->ended.load(std::memory_order_acquire)) return {};
    const auto done = std::move(compaction_);
    MUSTER_TRY_VOID(std::move(done->outcome));
    return take_over_base();
  }
  if (!wants_compaction()) return {};
  compaction_ = std::make_unique<Compaction>();
  compaction_->thread = std::jthread{
      [view = view_, path = base_path(config_.folder), mode = config_.file_mode, compaction = compaction_.get()] {
        compaction->outcome = write_view(*view, path, mode);
        compaction->ended.store(true, std::memory_order_release);
      }};
  return {};
}

// Deltas go after the base that contains them is there; those that came meanwhile follow it.
Result<void> SnapshotFolderWriter::take_over_base() {
  MUSTER_TRY(const auto base, load_base(config_.folder, geteuid()));
  remove_deltas(base->position().number);
  follow_deltas(base);
  return {};
}

}  // namespace muster::edge
