// SPDX-License-Identifier: Apache-2.0
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/file.h"
#include "core/unique_fd.h"
#include "edge/folder_files.h"
#include "edge/identity_view.h"
#include "edge/snapshot_loader.h"
#include "edge/trusted_file.h"

namespace muster::edge {
namespace {

constexpr std::size_t kMaxSmallFile = 64U << 10;

// Files are never modified under their name, so inode and time of change tell one from the next.
struct FileVersion {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t changed_nanoseconds = -1;
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

FileVersion version_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

void name_subjects(std::span<const IdentityChange> changes, ViewUpdate& update) {
  struct Subject {
    ViewUpdate& update;
    void operator()(const TenantState& s) const { update.tenants.push_back(s.id); }
    void operator()(const IssuerState& s) const {
      update.issuers = true;
      update.tenants.push_back(s.tenant_id);
    }
    void operator()(const PolicyState& s) const { update.tenants.push_back(s.tenant_id); }
    void operator()(const DeviceState& s) const { update.devices.push_back(s.id); }
    // A device's right to come by an anchor that is gone names nobody any more.
    void operator()(const CertificateState& s) const {
      if (s.device_id.is_nil()) {
        update.tenants.push_back(s.tenant_id);
      } else {
        update.devices.push_back(s.device_id);
      }
    }
  };
  for (const IdentityChange& change : changes) std::visit(Subject{update}, change);
  std::ranges::sort(update.tenants);
  update.tenants.erase(std::ranges::unique(update.tenants).begin(), update.tenants.end());
  std::ranges::sort(update.devices);
  update.devices.erase(std::ranges::unique(update.devices).begin(), update.devices.end());
}

class InotifySnapshotFolder final : public SnapshotFolder {
 public:
  explicit InotifySnapshotFolder(SnapshotFolderConfig config) : config_(std::move(config)) {}
  ~InotifySnapshotFolder() override { settle(); }
  Result<void> start();

  int wait_fd() const override { return inotify_.get(); }
  Result<std::optional<ViewUpdate>> refresh() override;
  void settle() override {
    if (view_ && !state_saved_) save_state();
  }
  std::optional<std::uint64_t> age_seconds() const override;

 private:
  bool watch_folder();
  std::optional<std::vector<std::uint64_t>> take_told_deltas();
  Result<void> load_state();
  Result<void> check_not_older(const StreamPosition& position) const;
  void keep_state();
  void save_state();
  void take_heartbeat();
  Result<AppliedDeltas> load_anew() const;
  AppliedDeltas apply_new(const std::optional<std::vector<std::uint64_t>>& told) const;
  Result<std::optional<ViewUpdate>> advance(const std::optional<std::vector<std::uint64_t>>& told);

  const SnapshotFolderConfig config_;
  UniqueFd inotify_;
  int watch_ = -1;
  bool must_look_ = true;           // something may be there that we were told of before and could not use
  std::optional<HeldState> state_;  // newest position ever held; nullopt before the first view
  bool state_loaded_ = false;
  bool state_saved_ = true;
  FileVersion base_version_;
  std::shared_ptr<const SnapshotView> view_;
  std::optional<Heartbeat> heartbeat_;  // the newest that counts
  std::optional<HeartbeatAge> age_;     // from the first that the server signed
};

Result<void> InotifySnapshotFolder::start() {
  MUSTER_TRY_VOID(check_trusted_folder(config_.folder, config_.edge_uid));
  const std::size_t slash = config_.state_file.rfind('/');
  struct stat parent {};
  if (slash == std::string::npos || stat(config_.state_file.substr(0, slash + 1).c_str(), &parent) != 0) {
    return Error{ErrorCode::kInvalidArgument, "config.folder_invalid", "state_file needs a folder that exists"};
  }
  inotify_ = UniqueFd{inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (!inotify_ || !watch_folder()) {
    return Error{ErrorCode::kInvalidArgument, "config.folder_invalid", config_.folder + ": " + std::strerror(errno)};
  }
  return {};
}

// Watches what the name stands for now: a folder that was put in place of another is followed. Only renames matter: no
// file is ever written under the name that is read.
bool InotifySnapshotFolder::watch_folder() {
  const int watch = inotify_add_watch(inotify_.get(), config_.folder.c_str(), IN_MOVED_TO | IN_ONLYDIR);
  if (watch < 0) return false;
  if (watch_ >= 0 && watch != watch_) inotify_rm_watch(inotify_.get(), watch_);
  watch_ = watch;
  return true;
}

// The deltas that came since the last look, as the kernel tells it; nullopt: it tells nothing, or not everything.
std::optional<std::vector<std::uint64_t>> InotifySnapshotFolder::take_told_deltas() {
  std::vector<std::uint64_t> ends;
  bool complete = true;
  std::size_t events = 0;
  alignas(inotify_event) char buffer[4096];
  for (ssize_t size = 0; (size = read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
    for (ssize_t at = 0; at < size; ++events) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof *event) + event->len;
      complete = complete && event->wd == watch_ && (event->mask & IN_MOVED_TO) != 0;
      if (event->len == 0) continue;
      if (const auto to = parse_delta_name(event->name)) ends.push_back(*to);
    }
  }
  if (events == 0 || !complete) return std::nullopt;
  std::ranges::sort(ends);
  return ends;
}

Result<void> InotifySnapshotFolder::load_state() {
  if (state_loaded_) return {};
  const auto file = read_trusted_file(config_.state_file, geteuid(), kMaxSmallFile);
  if (file.ok()) {
    // A state that cannot be read refuses everything: without it an older snapshot could be slipped in.
    MUSTER_TRY(state_, decode_held_state(*file));
  } else if (file.error().reason != "snapshot.absent") {
    return file.error();
  }
  state_loaded_ = true;
  return {};
}

Result<void> InotifySnapshotFolder::check_not_older(const StreamPosition& position) const {
  if (!state_) return {};
  const bool past_epoch = std::ranges::find(state_->past_epochs, position.epoch) != state_->past_epochs.end();
  const bool past_number = position.epoch == state_->position.epoch && position.number < state_->position.number;
  if (!past_epoch && !past_number) return {};
  return Error{ErrorCode::kFailedPrecondition, "snapshot.older_than_held",
               "the snapshot at " + std::to_string(position.number) + " is older than what was held"};
}

// From now on nothing older is taken.
void InotifySnapshotFolder::keep_state() {
  const StreamPosition position = view_->position();
  if (!state_) state_ = HeldState{position, {}};
  if (state_->position.epoch != position.epoch) {
    state_->past_epochs.push_back(state_->position.epoch);
    if (state_->past_epochs.size() > kMaxPastEpochs) state_->past_epochs.erase(state_->past_epochs.begin());
  }
  state_->position = position;
  state_saved_ = false;
}

// Where this fails (a full disk) the view is used all the same, since it can only be more recent, and saving is tried
// again at every refresh.
void InotifySnapshotFolder::save_state() {
  if (age_) state_->heartbeat_issued_at = age_->newest();
  state_saved_ = write_file_durably(config_.state_file, encode_held_state(*state_), 0600).ok();
}

void InotifySnapshotFolder::take_heartbeat() {
  if (!view_ || !config_.is_signed) return;
  const auto file = read_trusted_file(heartbeat_path(config_.folder), config_.edge_uid, kMaxSmallFile);
  const auto heartbeat = file.ok() ? decode_heartbeat(*file) : Result<Heartbeat>{file.error()};
  if (!heartbeat.ok() || heartbeat_ == *heartbeat) return;
  const StreamPosition held = view_->position();
  // One that speaks of a position we could not reach says nothing about the state that we hold.
  if (heartbeat->position.epoch != held.epoch || heartbeat->position.number > held.number) return;
  const Bytes message = heartbeat_message(config_.edge_id, heartbeat->position, heartbeat->issued_at);
  if (!config_.is_signed(message, heartbeat->signature)) return;
  if (!age_) age_.emplace(state_ ? state_->heartbeat_issued_at : UtcTime{});
  if (!age_->take(heartbeat->issued_at, read_clocks())) return;
  heartbeat_ = *heartbeat;
  // Kept so that no older one counts after a restart.
  if (state_ && age_->newest() - state_->heartbeat_issued_at >= kHeartbeatKeptEvery) state_saved_ = false;
}

Result<std::optional<ViewUpdate>> InotifySnapshotFolder::refresh() {
  settle();
  auto told = take_told_deltas();
  if (std::exchange(must_look_, true)) told.reset();
  MUSTER_TRY_VOID(check_trusted_folder(config_.folder, config_.edge_uid));
  const int watch = watch_;
  watch_folder();  // before the files are looked at; where it fails, the next look is a second away, as ever
  if (watch != watch_) told.reset();
  MUSTER_TRY_VOID(load_state());
  auto update = advance(told);
  take_heartbeat();
  return update;
}

// A base that this reader has not held yet, with what follows it.
Result<AppliedDeltas> InotifySnapshotFolder::load_anew() const {
  MUSTER_TRY(auto base, load_base(config_.folder, config_.edge_uid));
  AppliedDeltas applied = apply_deltas(config_.folder, config_.edge_uid, std::move(base));
  MUSTER_TRY_VOID(check_not_older(applied.view->position()));
  return applied;
}

// What we were not told of is looked for where something is missing, and whenever nobody tells us anything.
AppliedDeltas InotifySnapshotFolder::apply_new(const std::optional<std::vector<std::uint64_t>>& told) const {
  if (told) {
    AppliedDeltas applied = apply_deltas(config_.folder, config_.edge_uid, view_, *told);
    if (!applied.stopped_by) return applied;
  }
  return apply_deltas(config_.folder, config_.edge_uid, view_);
}

// Where a new base is refused, what follows the last good view still counts: a revocation does not wait until the base
// is in order again.
Result<std::optional<ViewUpdate>> InotifySnapshotFolder::advance(
    const std::optional<std::vector<std::uint64_t>>& told) {
  const FileVersion version = version_of(base_path(config_.folder));
  std::optional<AppliedDeltas> applied;
  std::optional<Error> refused;
  if (!view_ || version != base_version_) {
    auto anew = load_anew();
    if (anew.ok()) {
      applied = std::move(anew).value();
    } else {
      refused = std::move(anew).error();
      if (!view_) return *refused;
    }
  }
  const bool everything = applied.has_value();
  if (!everything) {
    applied = apply_new(told);
    const bool moved = applied->view->position() != view_->position();
    if (!moved && refused) return *refused;
    if (!moved && applied->stopped_by) return *applied->stopped_by;
    if (!moved) {
      must_look_ = false;
      return std::optional<ViewUpdate>{};
    }
  }
  must_look_ = applied->stopped_by || refused;
  view_ = applied->view;
  if (everything) base_version_ = version;
  keep_state();
  ViewUpdate update{
      .view = view_, .everything = everything, .tenants = {}, .devices = {}, .refused = std::move(refused)};
  name_subjects(applied->changes, update);
  return std::optional<ViewUpdate>{std::move(update)};
}

std::optional<std::uint64_t> InotifySnapshotFolder::age_seconds() const {
  if (!view_ || !heartbeat_ || heartbeat_->position.epoch != view_->position().epoch) return std::nullopt;
  return age_->seconds(read_clocks());
}

}  // namespace

Result<std::unique_ptr<SnapshotFolder>> SnapshotFolder::create(SnapshotFolderConfig config) {
  auto folder = std::make_unique<InotifySnapshotFolder>(std::move(config));
  MUSTER_TRY_VOID(folder->start());
  return std::unique_ptr<SnapshotFolder>{std::move(folder)};
}

}  // namespace muster::edge
