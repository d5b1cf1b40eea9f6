// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>

#include "edge/wal_file_system.h"
#include "edge/wal_format.h"
#include "edge/wal_reader.h"
#include "edge/wal_segment.h"
#include "edge/wal_writer.h"
#include "support/eventually.h"
#include "unit/edge/edge_fixture.h"

namespace muster::edge {
namespace {

using test_support::eventually;

// A disk that fails when it is told to.
class FaultyDisk final : public WalFileSystem {
 public:
  int write(int fd, BytesView bytes, off_t offset, std::size_t& written) override {
    if (write_error != 0) {
      written = 0;
      return write_error;
    }
    // A short write is no failure: the rest must follow.
    const std::size_t most = std::min<std::size_t>(bytes.size(), longest_write);
    return WalFileSystem::write(fd, bytes.first(most), offset, written);
  }
  int data_sync(int fd) override {
    if (sync_error != 0) return sync_error;
    return WalFileSystem::data_sync(fd);
  }
  int allocate(int fd, std::uint64_t bytes) override {
    if (allocate_error != 0) return allocate_error;
    if (on_allocate) on_allocate();
    return WalFileSystem::allocate(fd, bytes);
  }
  std::uint64_t free_bytes(const std::string&) override { return free; }

  std::atomic<int> write_error{0}, sync_error{0}, allocate_error{0};
  std::atomic<std::size_t> longest_write{SIZE_MAX};
  std::atomic<std::uint64_t> free{1ULL << 40};
  std::function<void()> on_allocate;  // on the thread that makes a segment
};

class WalTest : public ::testing::Test {
 protected:
  WalTest() : folder_(temp_.make_folder("wal")) {
    config_.folder = folder_;
    config_.segment_bytes = 64U << 10;
    config_.min_free_bytes = 1U << 20;
  }
  std::unique_ptr<WalWriter> open() {
    return WalWriter::open(config_,
                           {[this](std::uint64_t durable) { durable_ = durable; },
                            [this](std::uint64_t lost, const Error& why) {
                              lost_ = lost;
                              failure_ = why.reason.data();  // of static storage, NUL-terminated
                            }},
                           disk_)
        .value();
  }
  static RecordView record(const std::string& payload) {
    RecordView record;
    record.tenant = "acme";
    record.device = "pump";
    record.topic = "acme/pump/telemetry/x";
    record.payload = as_bytes(payload);
    return record;
  }
  std::uint64_t append(WalWriter& wal, const std::string& payload) { return wal.append(record(payload)).value(); }
  bool is_durable(std::uint64_t sequence) {
    return eventually([&] { return durable_ >= sequence; });
  }
  std::string only_segment(const IncarnationId& incarnation) {
    std::string path;
    for (const SegmentFile& segment : list_segments(folder_)) {
      if (segment.incarnation == incarnation) path = segment.path;
    }
    return path;
  }
  // Payloads by sequence, and gaps.
  struct ReadBack {
    std::vector<std::string> payloads;
    std::vector<std::uint64_t> sequences;
    std::vector<WalGap> gaps;
    bool finished = false;
  };
  ReadBack read_all(const std::string& folder, const IncarnationId& incarnation, std::uint64_t from = 1) {
    WalReader reader{folder, incarnation, from};
    ReadBack all;
    for (;;) {
      const auto batch = reader.read(100, 1U << 20).value();
      for (const WalRecord& r : batch.records) {
        const RecordView view = decode_record(r.record).value();
        EXPECT_EQ(view.sequence, r.sequence);
        EXPECT_EQ(view.incarnation, incarnation);
        all.payloads.emplace_back(as_text(view.payload));
        all.sequences.push_back(r.sequence);
      }
      all.gaps.insert(all.gaps.end(), batch.gaps.begin(), batch.gaps.end());
      all.finished = batch.finished;
      if (batch.finished || (batch.records.empty() && batch.gaps.empty())) return all;
    }
  }

  TempFolder temp_;
  std::string folder_;
  FaultyDisk disk_;
  WalConfig config_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<const char*> failure_{""};
};

TEST_F(WalTest, GivesBackWhatWasAppendedInOrder) {
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  for (int i = 1; i <= 3000; ++i) EXPECT_EQ(append(*wal, std::to_string(i)), static_cast<std::uint64_t>(i));
  ASSERT_TRUE(is_durable(3000));

  const ReadBack live = read_all(folder_, incarnation);
  EXPECT_EQ(live.payloads.size(), 3000U);
  EXPECT_FALSE(live.finished) << "its writer still lives";
  EXPECT_GT(list_segments(folder_).size(), 3U);

  wal.reset();
  const ReadBack closed = read_all(folder_, incarnation, 2990);
  ASSERT_EQ(closed.payloads.size(), 11U);
  EXPECT_EQ(closed.payloads.front(), "2990");
  EXPECT_TRUE(closed.finished);
  EXPECT_TRUE(closed.gaps.empty());
}

TEST_F(WalTest, IsNeverReadPastTheMarkOfALivingWriter) {
  auto wal = open();
  append(*wal, "durable");
  ASSERT_TRUE(is_durable(1));
  disk_.sync_error = EIO;
  append(*wal, "written, not durable");
  ASSERT_TRUE(eventually([&] { return std::string_view{failure_} == "wal.write_failed"; }));

  EXPECT_EQ(read_all(folder_, wal->incarnation()).payloads, std::vector<std::string>{"durable"});
}

TEST_F(WalTest, AcknowledgesNothingFromASegmentWhoseSyncFailedAndWritesItAgain) {
  auto wal = open();
  append(*wal, "before");
  ASSERT_TRUE(is_durable(1));
  disk_.sync_error = EIO;
  append(*wal, "held");
  ASSERT_TRUE(eventually([&] { return lost_ == 2; }));
  EXPECT_EQ(durable_, 1U);
  EXPECT_EQ(wal->append(record("refused")).error().reason, "wal.write_failed");
  EXPECT_FALSE(wal->has_room_for_qos0());
  EXPECT_GE(wal->statistics().failures, 1U);

  disk_.sync_error = 0;
  ASSERT_TRUE(is_durable(2));
  ASSERT_TRUE(eventually([&] { return wal->append(record("after")).ok(); }));
  ASSERT_TRUE(is_durable(3));

  EXPECT_EQ(list_segments(folder_).size(), 2U) << "the abandoned one and its successor";
  const IncarnationId incarnation = wal->incarnation();
  wal.reset();
  const ReadBack back = read_all(folder_, incarnation);
  EXPECT_EQ(back.payloads, (std::vector<std::string>{"before", "held", "after"}));
  EXPECT_TRUE(back.gaps.empty());
}

TEST_F(WalTest, DoesNotFillAFailingDiskWithSegments) {
  auto wal = open();
  disk_.sync_error = EIO;
  append(*wal, "held");
  ASSERT_TRUE(eventually([&] { return wal->statistics().failures >= 4; }));
  EXPECT_LE(list_segments(folder_).size(), 1U);
}

TEST_F(WalTest, LetsTrafficFlowAgainWhenSpaceReturns) {
  auto wal = open();
  disk_.write_error = ENOSPC;
  disk_.allocate_error = ENOSPC;
  append(*wal, "held");
  ASSERT_TRUE(eventually([&] { return std::string_view{failure_} == "wal.disk_full"; }));
  EXPECT_EQ(wal->append(record("refused")).error().reason, "wal.disk_full");

  disk_.write_error = 0;
  disk_.allocate_error = 0;
  ASSERT_TRUE(is_durable(1));
  ASSERT_TRUE(eventually([&] { return wal->append(record("again")).ok(); }));
  ASSERT_TRUE(is_durable(2));
}

TEST_F(WalTest, StopsBeforeTheReserveOfFreeSpaceIsUsed) {
  auto wal = open();
  disk_.free = config_.min_free_bytes - 1;
  ASSERT_TRUE(eventually([&] { return !wal->append(record("x")).ok(); }));
  EXPECT_EQ(wal->append(record("x")).error().reason, "wal.disk_full");
  disk_.free = 1ULL << 40;
  EXPECT_TRUE(eventually([&] { return wal->append(record("x")).ok(); }));

  disk_.free = 0;
  EXPECT_EQ(WalWriter::open(config_, {}, disk_).error().reason, "wal.disk_full");
}

TEST_F(WalTest, FinishesShortWrites) {
  disk_.longest_write = 7;
  auto wal = open();
  append(*wal, "one");
  append(*wal, "two");
  ASSERT_TRUE(is_durable(2));
  EXPECT_EQ(read_all(folder_, wal->incarnation()).payloads, (std::vector<std::string>{"one", "two"}));
}

TEST_F(WalTest, ShedsQos0AtHalfAndRefusesAllAtItsLimit) {
  config_.max_bytes = 256U << 10;
  auto wal = open();
  const std::string payload(1000, 'x');
  bool shed_first = false;
  for (;;) {
    const auto appended = wal->append(record(payload));
    if (!appended.ok()) {
      EXPECT_EQ(appended.error().reason, "wal.full");
      break;
    }
    ASSERT_TRUE(is_durable(*appended));
    shed_first = shed_first || !wal->has_room_for_qos0();
  }
  EXPECT_TRUE(shed_first);

  for (const SegmentFile& segment : list_segments(folder_)) {
    if (segment.index == 0)
      std::filesystem::rename(segment.path, segment.path.substr(0, segment.path.size() - 3) + "stored");
  }
  EXPECT_TRUE(eventually([&] { return wal->append(record(payload)).ok(); })) << "what is stored does not count";
}

TEST_F(WalTest, RefusesWhenItsBufferIsFull) {
  config_.max_buffered_bytes = 64U << 10;
  disk_.sync_error = 0;
  auto wal = open();
  const std::string payload(60'000, 'x');
  std::string_view reason;
  for (int i = 0; i < 10'000 && reason.empty(); ++i) {
    const auto appended = wal->append(record(payload));
    if (!appended.ok()) reason = appended.error().reason;
  }
  EXPECT_EQ(reason, "wal.buffer_full");
}

TEST_F(WalTest, RefusesARecordThatNoFrameHolds) {
  auto wal = open();
  EXPECT_EQ(wal->append(record(std::string(kMaxFrameBody + 1, 'x'))).error().reason, "record.too_large");
  EXPECT_EQ(append(*wal, "next"), 1U) << "a refused record uses no sequence";
  EXPECT_EQ(append(*wal, std::string(1U << 20, 'y')), 2U) << "larger than a segment";
  ASSERT_TRUE(is_durable(2));
  EXPECT_EQ(read_all(folder_, wal->incarnation()).payloads.at(1).size(), 1U << 20);
}

TEST_F(WalTest, StepsOverDamageInTheMiddleAndReportsIt) {
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  for (int i = 1; i <= 100; ++i) append(*wal, "payload-" + std::to_string(i) + "-end");
  ASSERT_TRUE(is_durable(100));
  wal.reset();
  const std::string path = only_segment(incarnation);
  Bytes content = content_of(path);
  const auto at = as_text(content).find("payload-50-end");
  content[at + 3] ^= 1;
  std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(content.data()),
                                              static_cast<std::streamsize>(content.size()));

  const ReadBack back = read_all(folder_, incarnation);
  EXPECT_EQ(back.payloads.size(), 99U);
  EXPECT_EQ(back.gaps, (std::vector<WalGap>{{50, 50}}));
  EXPECT_TRUE(back.finished);
}

// The reader takes 8 MiB at a time: the record that lies over the end of the first such piece must not be lost as well.
TEST_F(WalTest, StepsOverLongDamageAndLosesNothingBehindIt) {
  config_.segment_bytes = 32U << 20;
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  for (int i = 1; i <= 12; ++i) append(*wal, "start-" + std::to_string(i) + "-" + std::string(1U << 20, 'x'));
  ASSERT_TRUE(is_durable(12));
  wal.reset();
  const std::string path = only_segment(incarnation);
  Bytes content = content_of(path);
  for (int i = 1; i <= 7; ++i) content[as_text(content).find("start-" + std::to_string(i) + "-x")] ^= 1;
  std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(content.data()),
                                              static_cast<std::streamsize>(content.size()));

  const ReadBack back = read_all(folder_, incarnation);
  EXPECT_EQ(back.gaps, (std::vector<WalGap>{{1, 7}}));
  EXPECT_EQ(back.sequences.size(), 5U);
}

TEST_F(WalTest, ReportsATornTailThatTheMarkPromised) {
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  for (int i = 1; i <= 10; ++i) append(*wal, "payload");
  ASSERT_TRUE(is_durable(10));
  wal.reset();
  const std::string path = only_segment(incarnation);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);

  const ReadBack back = read_all(folder_, incarnation);
  EXPECT_EQ(back.payloads.size(), 9U);
  EXPECT_EQ(back.gaps, (std::vector<WalGap>{{10, 10}}));
}

TEST_F(WalTest, ReadsASegmentWhoseHeaderIsBroken) {
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  append(*wal, "payload");
  ASSERT_TRUE(is_durable(1));
  wal.reset();
  std::fstream{only_segment(incarnation), std::ios::in | std::ios::out | std::ios::binary}.seekp(9).put('\x7f');
  EXPECT_EQ(read_all(folder_, incarnation).payloads, std::vector<std::string>{"payload"});
}

TEST_F(WalTest, KeepsWhatWasDurableWhenTheProcessIsKilled) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto wal = WalWriter::open(config_, {[&](std::uint64_t durable) {
                                           [[maybe_unused]] const auto n =
                                               ::write(pipe_ends[1], &durable, sizeof durable);
                                         },
                                         nullptr})
                   .value();
    for (int i = 1;; ++i) {
      if (!wal->append(record(std::to_string(i))).ok()) usleep(100);
    }
  }
  close(pipe_ends[1]);
  std::uint64_t durable = 0;
  for (int group = 0; group < 20; ++group) ASSERT_EQ(read(pipe_ends[0], &durable, sizeof durable), 8);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  std::uint64_t more = 0;
  while (read(pipe_ends[0], &more, sizeof more) == 8) durable = more;
  close(pipe_ends[0]);

  const auto incarnations = list_incarnations(folder_);
  ASSERT_EQ(incarnations.size(), 1U);
  const ReadBack back = read_all(folder_, incarnations[0].id);
  EXPECT_GE(back.payloads.size(), durable);
  EXPECT_TRUE(back.gaps.empty());
  EXPECT_TRUE(back.finished);
  for (std::size_t i = 0; i < back.payloads.size(); ++i) ASSERT_EQ(back.payloads[i], std::to_string(i + 1));
}

TEST_F(WalTest, OpensANewIncarnationOverARestoredOlderCopy) {
  auto wal = open();
  const IncarnationId first = wal->incarnation();
  append(*wal, "old");
  ASSERT_TRUE(is_durable(1));
  wal.reset();
  const std::string copy = temp_.file("copy");
  std::filesystem::copy(folder_, copy);

  durable_ = 0;
  config_.folder = copy;
  auto restored = open();
  EXPECT_NE(restored->incarnation(), first);
  EXPECT_EQ(append(*restored, "new"), 1U);
  ASSERT_TRUE(is_durable(1));

  const auto incarnations = list_incarnations(copy);
  ASSERT_EQ(incarnations.size(), 2U);
  EXPECT_EQ(incarnations[0].id, first) << "the older one comes first";
  EXPECT_EQ(incarnations[1].id, restored->incarnation());
  EXPECT_EQ(read_all(copy, first).payloads, std::vector<std::string>{"old"});
  EXPECT_EQ(read_all(copy, restored->incarnation()).payloads, std::vector<std::string>{"new"});
}

TEST_F(WalTest, ASegmentHasNoNameBeforeItHasAHeader) {
  std::size_t seen = 99;
  disk_.on_allocate = [&] { seen = list_segments(folder_).size(); };
  auto wal = open();
  EXPECT_EQ(seen, 0U) << "an edge that looked now would not know the incarnation's place";
  EXPECT_EQ(list_segments(folder_).size(), 1U);
}

TEST_F(WalTest, ASegmentTakesNobodysPlace) {
  SegmentHeader header;
  header.incarnation = IncarnationId::random();
  const std::string path = folder_ + "/" + segment_name(header.incarnation, 0, ".wal");
  std::ofstream{path} << "somebody's";
  EXPECT_FALSE(WalSegment::create(folder_, header, 64U << 10, disk_).ok());
  std::string kept;
  std::getline(std::ifstream{path}, kept);
  EXPECT_EQ(kept, "somebody's");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/" + segment_name(header.incarnation, 0, kUnfinishedSuffix)));
}

TEST_F(WalTest, AnIncarnationThatLivesComesLastWhateverItsHeaderSays) {
  auto dead = open();
  append(*dead, "older");
  ASSERT_TRUE(is_durable(1));
  const IncarnationId first = dead->incarnation();
  dead.reset();
  auto wal = open();
  std::filesystem::resize_file(only_segment(wal->incarnation()), 0);  // its generation is not known
  const auto incarnations = list_incarnations(folder_);
  ASSERT_EQ(incarnations.size(), 2U);
  EXPECT_EQ(incarnations[0].id, first) << "reading the living one would not end, and the other would wait for ever";
  EXPECT_FALSE(incarnations[0].lives);
  EXPECT_TRUE(incarnations[1].lives);
}

TEST_F(WalTest, RemovesTheUnfinishedSegmentsOfTheDeadOnly) {
  auto wal = open();
  const std::string dead = folder_ + "/" + segment_name(IncarnationId::random(), 0, kUnfinishedSuffix);
  const std::string alive = folder_ + "/" + segment_name(wal->incarnation(), 7, kUnfinishedSuffix);
  const std::string foreign = folder_ + "/notes.unfinished";
  for (const std::string& path : {dead, alive, foreign}) std::ofstream{path} << "x";
  const auto next = open();
  EXPECT_FALSE(std::filesystem::exists(dead));
  EXPECT_TRUE(std::filesystem::exists(alive));
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST_F(WalTest, FifoInTheFolderHoldsNobodyUp) {
  auto wal = open();
  const IncarnationId incarnation = wal->incarnation();
  append(*wal, "a");
  ASSERT_TRUE(is_durable(1));
  wal.reset();
  const std::string mark = folder_ + "/" + mark_name(incarnation);
  ASSERT_EQ(unlink(mark.c_str()), 0);
  ASSERT_EQ(mkfifo(mark.c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((folder_ + "/" + segment_name(IncarnationId::random(), 0, ".wal")).c_str(), 0600), 0);

  EXPECT_EQ(list_incarnations(folder_).size(), 1U);
  EXPECT_EQ(read_all(folder_, incarnation).payloads, std::vector<std::string>{"a"});
}

TEST_F(WalTest, CountsTheFailureBeforeAnyRecordIsAcknowledged) {
  disk_.allocate_error = ENOSPC;
  EXPECT_EQ(WalWriter::open(config_, {}, disk_).error().reason, "wal.disk_full");
  EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "nothing is left behind";
  config_.folder = temp_.file("absent");
  EXPECT_EQ(WalWriter::open(config_, {}, disk_).error().reason, "config.folder_invalid");
}

TEST(FrameCodec, NeverTakesAFrameOfAnotherIncarnation) {
  const FrameCodec mine{IncarnationId::random()};
  const FrameCodec other{IncarnationId::random()};
  Bytes frame;
  const std::size_t begun = FrameCodec::begin(frame);
  frame.insert(frame.end(), {1, 2, 3});
  mine.seal(frame, begun, FrameType::kRecord);
  EXPECT_TRUE(mine.read(frame));
  EXPECT_FALSE(other.read(frame));
  for (std::size_t i = 0; i < frame.size(); ++i) {
    Bytes changed = frame;
    changed[i] ^= 1;
    EXPECT_FALSE(mine.read(changed)) << i;
    EXPECT_FALSE(mine.read(BytesView{frame}.first(i))) << i;
  }
}

}  // namespace
}  // namespace muster::edge
