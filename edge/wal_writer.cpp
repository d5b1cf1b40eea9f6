// SPDX-License-Identifier: Apache-2.0
#include "edge/wal_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/clock.h"
#include "edge/wal_format.h"
#include "edge/wal_segment.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetryDelay{200};     // between attempts on a disk that failed
constexpr std::chrono::milliseconds kLimitsPeriod{1000};  // between looks at free space and unshipped segments
constexpr std::chrono::seconds kDrainTime{2};
// Records that nobody waits for (all but QoS 1 publishes) gather for so long, or until there are so many octets: a
// commit of its own for each connection and each message of QoS 0 costs more than all else that is done for it.
constexpr std::chrono::milliseconds kUnawaitedDelay{20};
constexpr std::size_t kUnawaitedOctets = 1 << 20;
constexpr UnixMicros kClockStepMicros = 500'000;  // slewing stays far below this between two commits
constexpr std::uint64_t kMinSegmentBytes = 64U << 10;

// Why appends are refused at present.
enum class Refusal : std::uint8_t { kNone, kDiskFull, kWriteFailed };

class SegmentedWalWriter final : public WalWriter {
 public:
  SegmentedWalWriter(WalConfig config, Callbacks callbacks, WalFileSystem& file_system)
      : config_(std::move(config)), callbacks_(std::move(callbacks)), file_system_(file_system) {}
  ~SegmentedWalWriter() override;
  Result<void> start();

  IncarnationId incarnation() const override { return incarnation_; }
  Result<std::uint64_t> append(RecordView record) override;
  bool has_room_for_qos0() const override;
  WalStatistics statistics() const override;

 private:
  Result<void> open_mark();
  void start_committer();
  void run();
  bool wait_for_work();  // false: time to end
  void take_buffer();
  void stamp_clock_step();
  void look_at_limits();
  void commit_pending();
  Result<void> commit_once();
  Result<void> open_segment(std::uint64_t first_frame);
  std::size_t whole_frames_within(std::uint64_t room, std::uint64_t& last_sequence) const;
  void became_durable(std::uint64_t sequence, std::size_t octets);
  void failed(const Error& why);
  std::uint64_t unshipped() const { return other_segments_.load() + segment_used_.load(); }

  // Constant after start().
  const WalConfig config_;
  const Callbacks callbacks_;
  WalFileSystem& file_system_;
  const IncarnationId incarnation_ = IncarnationId::random();
  const FrameCodec codec_{incarnation_};
  std::uint64_t generation_ = 1;
  UniqueFd mark_;  // locked while this writer lives: that is how a reader knows

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Bytes buffer_;           // guarded by mutex_: appended, not yet taken by the committer
  bool awaited_ = false;   // guarded by mutex_: somebody waits for a record in buffer_
  bool stopping_ = false;  // guarded by mutex_

  std::atomic<std::uint64_t> appended_{0};  // written under mutex_
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> pending_octets_{0};
  std::atomic<std::uint64_t> other_segments_{0};  // octets of pending segments but the present one
  std::atomic<std::uint64_t> segment_used_{0};
  std::atomic<std::uint64_t> free_octets_{0};
  std::atomic<Refusal> refusal_{Refusal::kNone};
  std::atomic<std::uint64_t> commits_{0}, failures_{0}, commit_micros_{0}, clock_steps_{0};

  // The committer's own.
  Bytes pending_;  // frames that are not durable
  std::uint64_t pending_last_ = 0;
  std::optional<WalSegment> segment_;
  std::uint64_t next_index_ = 0;
  std::uint64_t reported_lost_ = 0;
  UnixMicros wall_minus_boottime_ = 0;
  steady_clock::time_point limits_due_{};
  steady_clock::time_point drain_until_ = steady_clock::time_point::max();
  std::thread committer_;
};

UnixMicros wall_minus_boottime() {
  return SystemClock{}.now_micros() - std::chrono::duration_cast<std::chrono::microseconds>(boottime_now()).count();
}

Result<void> SegmentedWalWriter::start() {
  struct stat info {};
  if (stat(config_.folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, "config.folder_invalid", config_.folder + " is not a folder"};
  }
  if (config_.segment_bytes < kMinSegmentBytes || config_.max_bytes < config_.segment_bytes ||
      config_.max_buffered_bytes < kMinSegmentBytes) {
    return Error{ErrorCode::kInvalidArgument, "config.wal_limits_invalid",
                 "segment_bytes and max_buffered_bytes must be at least 64 KiB, max_bytes at least segment_bytes"};
  }
  remove_unfinished_segments(config_.folder);
  for (const SegmentFile& segment : list_segments(config_.folder)) {
    const auto header = read_segment_header(segment.path);
    if (header.ok()) generation_ = std::max(generation_, header->generation + 1);
  }
  MUSTER_TRY_VOID(open_mark());
  look_at_limits();
  if (auto opened = open_segment(0); !opened.ok()) {
    unlink((config_.folder + "/" + mark_name(incarnation_)).c_str());
    return std::move(opened).error();
  }
  wall_minus_boottime_ = wall_minus_boottime();
  start_committer();
  return {};
}

Result<void> SegmentedWalWriter::open_mark() {
  const std::string path = config_.folder + "/" + mark_name(incarnation_);
  const std::string unlocked = path + ".new";
  mark_ = UniqueFd{::open(unlocked.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640)};
  const Bytes mark = encode_mark(incarnation_, 0);
  // Under its name it is locked from the first moment: the edge removes marks that nobody holds.
  const bool made = mark_ && flock(mark_.get(), LOCK_EX) == 0 &&
                    pwrite(mark_.get(), mark.data(), mark.size(), 0) == static_cast<ssize_t>(mark.size()) &&
                    rename(unlocked.c_str(), path.c_str()) == 0;
  if (made) return {};
  if (mark_) unlink(unlocked.c_str());
  return Error{ErrorCode::kUnavailable, "file.write_failed", path};
}

void SegmentedWalWriter::start_committer() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // the broker's signals are for the broker's thread
  committer_ = std::thread{[this] { run(); }};
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SegmentedWalWriter::~SegmentedWalWriter() {
  if (!committer_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_all();
  committer_.join();
  if (segment_) segment_->trim();
}

Result<std::uint64_t> SegmentedWalWriter::append(RecordView record) {
  const std::lock_guard lock{mutex_};
  const Refusal refusal = refusal_.load(std::memory_order_relaxed);
  if (refusal == Refusal::kDiskFull) return Error{ErrorCode::kResourceExhausted, "wal.disk_full", {}};
  if (refusal == Refusal::kWriteFailed) return Error{ErrorCode::kUnavailable, "wal.write_failed", {}};
  const std::uint64_t buffered = buffer_.size() + pending_octets_.load(std::memory_order_relaxed);
  if (buffered >= config_.max_buffered_bytes) return Error{ErrorCode::kResourceExhausted, "wal.buffer_full", {}};
  if (unshipped() + buffered >= config_.max_bytes) return Error{ErrorCode::kResourceExhausted, "wal.full", {}};

  record.incarnation = incarnation_;
  record.sequence = appended_.load(std::memory_order_relaxed) + 1;
  const bool was_empty = buffer_.empty();
  const std::size_t begun = FrameCodec::begin(buffer_);
  auto encoded = append_record(buffer_, record);
  if (!encoded.ok() || buffer_.size() - begun - kFrameHeaderSize > kMaxFrameBody) {
    buffer_.resize(begun);
    if (!encoded.ok()) return std::move(encoded).error();
    return Error{ErrorCode::kInvalidArgument, "record.too_large", {}};
  }
  codec_.seal(buffer_, begun, FrameType::kRecord);
  appended_.store(record.sequence, std::memory_order_relaxed);
  const bool awaited = record.kind == RecordKind::kPublish && record.qos > 0;
  const bool hurry = (awaited && !awaited_) || (begun < kUnawaitedOctets && buffer_.size() >= kUnawaitedOctets);
  awaited_ = awaited_ || awaited;
  if (was_empty || hurry) wake_.notify_one();
  return record.sequence;
}

bool SegmentedWalWriter::has_room_for_qos0() const {
  if (refusal_.load(std::memory_order_relaxed) != Refusal::kNone) return false;
  const std::uint64_t buffered = pending_octets_.load(std::memory_order_relaxed);
  // The reserve on disk has no half; a quarter above it is where other people's data begin to be in danger.
  return buffered < config_.max_buffered_bytes / 2 && unshipped() + buffered < config_.max_bytes / 2 &&
         free_octets_.load(std::memory_order_relaxed) >= config_.min_free_bytes + config_.min_free_bytes / 4;
}

WalStatistics SegmentedWalWriter::statistics() const {
  const std::uint64_t held = unshipped() + pending_octets_.load();
  const std::uint64_t free = free_octets_.load();
  const std::uint64_t room =
      std::min(config_.max_bytes - std::min(held, config_.max_bytes), free - std::min(free, config_.min_free_bytes));
  return {appended_.load(),      durable_.load(),    commits_.load(), failures_.load(), unshipped(), room,
          commit_micros_.load(), clock_steps_.load()};
}

void SegmentedWalWriter::run() {
  while (wait_for_work()) {
    take_buffer();
    if (steady_clock::now() >= limits_due_) look_at_limits();
    commit_pending();
  }
}

bool SegmentedWalWriter::wait_for_work() {
  std::unique_lock lock{mutex_};
  const bool failing = refusal_.load() != Refusal::kNone;
  const auto patience = failing ? kRetryDelay : kLimitsPeriod;
  if (!stopping_) wake_.wait_for(lock, patience, [&] { return stopping_ || (!failing && !buffer_.empty()); });
  if (!stopping_ && !failing && !buffer_.empty()) {
    wake_.wait_for(lock, kUnawaitedDelay, [&] { return stopping_ || awaited_ || buffer_.size() >= kUnawaitedOctets; });
  }
  if (!stopping_) return true;
  const auto now = steady_clock::now();
  if (drain_until_ == steady_clock::time_point::max()) drain_until_ = now + kDrainTime;
  if (buffer_.empty() && pending_.empty()) return false;
  if (failing) wake_.wait_for(lock, kRetryDelay / 4, [] { return false; });
  return now < drain_until_;
}

void SegmentedWalWriter::take_buffer() {
  stamp_clock_step();
  const std::lock_guard lock{mutex_};
  if (pending_.empty()) {
    pending_.swap(buffer_);
  } else {
    pending_.insert(pending_.end(), buffer_.begin(), buffer_.end());
  }
  buffer_.clear();
  awaited_ = false;
  pending_last_ = appended_.load(std::memory_order_relaxed);
  pending_octets_ = pending_.size();
}

void SegmentedWalWriter::stamp_clock_step() {
  const UnixMicros offset = wall_minus_boottime();
  const UnixMicros before = wall_minus_boottime_;
  if (std::abs(offset - before) < kClockStepMicros) return;
  wall_minus_boottime_ = offset;
  ++clock_steps_;
  const auto boottime = boottime_now();
  const UnixMicros boottime_micros = std::chrono::duration_cast<std::chrono::microseconds>(boottime).count();
  const std::size_t begun = FrameCodec::begin(pending_);
  WireWriter out{pending_};
  out.i64(boottime.count());
  out.i64(before + boottime_micros);
  out.i64(offset + boottime_micros);
  codec_.seal(pending_, begun, FrameType::kClockStep);
}

void SegmentedWalWriter::look_at_limits() {
  limits_due_ = steady_clock::now() + kLimitsPeriod;
  std::uint64_t others = 0;
  for (const SegmentFile& segment : list_segments(config_.folder)) {
    const bool present = segment_ && segment.incarnation == incarnation_ && segment.index + 1 == next_index_;
    if (segment.state == SegmentState::kPending && !present) others += segment.octets;
  }
  other_segments_ = others;
  free_octets_ = file_system_.free_bytes(config_.folder);
  const bool short_of_space = free_octets_ < config_.min_free_bytes;
  if (short_of_space && refusal_ == Refusal::kNone) refusal_ = Refusal::kDiskFull;
}

void SegmentedWalWriter::commit_pending() {
  const bool was_failing = refusal_.load() != Refusal::kNone;
  if (was_failing) free_octets_ = file_system_.free_bytes(config_.folder);
  while (!pending_.empty()) {
    if (auto committed = commit_once(); !committed.ok()) return failed(committed.error());
  }
  if (!was_failing) return;
  // Nothing is left to write: whether the disk is well again shows in a new segment, or in the space on it.
  if (!segment_) {
    if (auto opened = open_segment(0); !opened.ok()) return failed(opened.error());
  }
  if (free_octets_ >= config_.min_free_bytes) refusal_ = Refusal::kNone;
}

Result<void> SegmentedWalWriter::commit_once() {
  std::uint64_t last = pending_last_;
  std::size_t octets = pending_.size();
  if (segment_ && octets > segment_->room()) octets = whole_frames_within(segment_->room(), last);
  if (segment_ && octets == 0) {
    segment_->trim();
    other_segments_ += segment_->used();
    segment_.reset();
    segment_used_ = 0;
    return {};
  }
  if (!segment_) return open_segment(codec_.read(pending_)->size());
  const auto before = steady_clock::now();
  if (auto appended = segment_->append(BytesView{pending_}.first(octets)); !appended.ok()) {
    other_segments_ += segment_->abandon();
    segment_.reset();
    segment_used_ = 0;
    return std::move(appended).error();
  }
  commit_micros_ = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - before).count());
  if (callbacks_.on_commit) callbacks_.on_commit(commit_micros_);
  became_durable(last, octets);
  return {};
}

Result<void> SegmentedWalWriter::open_segment(std::uint64_t first_frame) {
  if (free_octets_ < config_.min_free_bytes) {
    return Error{ErrorCode::kResourceExhausted, "wal.disk_full", "the reserve of free space is reached"};
  }
  const SegmentHeader header{incarnation_,          generation_, next_index_, durable_ + 1, SystemClock{}.now_micros(),
                             boottime_now().count()};
  const std::uint64_t capacity = std::max(config_.segment_bytes, kSegmentHeaderSize + first_frame);
  MUSTER_TRY(WalSegment segment, WalSegment::create(config_.folder, header, capacity, file_system_));
  ++next_index_;
  segment_.emplace(std::move(segment));
  segment_used_ = segment_->used();
  return {};
}

// Octets of the whole frames at the start of pending_ that fit into `room`, and the sequence that they end with.
std::size_t SegmentedWalWriter::whole_frames_within(std::uint64_t room, std::uint64_t& last_sequence) const {
  std::size_t octets = 0;
  last_sequence = durable_;
  while (const auto frame = codec_.read(BytesView{pending_}.subspan(octets))) {
    if (octets + frame->size() > room) break;
    octets += frame->size();
    if (frame->type == static_cast<std::uint32_t>(FrameType::kRecord)) ++last_sequence;
  }
  return octets;
}

void SegmentedWalWriter::became_durable(std::uint64_t sequence, std::size_t octets) {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(octets));
  pending_octets_ = pending_.size();
  segment_used_ = segment_->used();
  durable_ = sequence;
  ++commits_;
  const Bytes mark = encode_mark(incarnation_, sequence);
  // The mark is for readers on this running machine only, so it is not synced; one that fails is put right by the next.
  [[maybe_unused]] const ssize_t ignored = pwrite(mark_.get(), mark.data(), mark.size(), 0);
  if (callbacks_.on_durable) callbacks_.on_durable(sequence);
}

void SegmentedWalWriter::failed(const Error& why) {
  ++failures_;
  const std::uint64_t lost = appended_.load();
  const bool first =
      refusal_.exchange(why.reason == "wal.disk_full" ? Refusal::kDiskFull : Refusal::kWriteFailed) == Refusal::kNone;
  if (!first && lost == reported_lost_) return;
  reported_lost_ = lost;
  if (callbacks_.on_failure) callbacks_.on_failure(lost, why);
}

}  // namespace

Result<std::unique_ptr<WalWriter>> WalWriter::open(WalConfig config, Callbacks callbacks, WalFileSystem& file_system) {
  auto writer = std::make_unique<SegmentedWalWriter>(std::move(config), std::move(callbacks), file_system);
  MUSTER_TRY_VOID(writer->start());
  return std::unique_ptr<WalWriter>{std::move(writer)};
}

Result<std::unique_ptr<WalWriter>> WalWriter::open(WalConfig config, Callbacks callbacks) {
  return open(std::move(config), std::move(callbacks), WalFileSystem::real());
}

}  // namespace muster::edge
