// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/shipper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "core/record.h"
#include "edge/wal_writer.h"
#include "support/eventually.h"
#include "support/temp_folder.h"

namespace muster::edge {
namespace {

using test_support::eventually;

// A log in memory that keeps the contract of ingest::Appender and fails when it is told to.
class MemoryLog final : public ingest::Appender {
 public:
  Result<ingest::AppendOutcome> append(const IncarnationId& incarnation,
                                       std::span<const ingest::AppendEntry> entries) override {
    const std::lock_guard lock{mutex_};
    if (down) return Error{ErrorCode::kUnavailable, "log.unavailable", "down"};
    if (refused_incarnation == incarnation) return Error{ErrorCode::kPermissionDenied, "log.permission_denied", ""};
    for (const ingest::AppendEntry& entry : entries) {
      if (as_text(decode_record(entry.record)->payload) == "poison") {
        return Error{ErrorCode::kInvalidArgument, "log.refused", ""};
      }
    }
    ingest::AppendOutcome outcome;
    for (const ingest::AppendEntry& entry : entries) {
      const RecordView record = decode_record(entry.record).value();
      EXPECT_EQ(record.incarnation, incarnation);
      if (record.sequence <= marks_[incarnation]) {
        ++outcome.duplicates;
        continue;
      }
      marks_[incarnation] = record.sequence;
      stored_.push_back(std::string{entry.key} + " " + std::string{as_text(record.payload)});
      ++outcome.stored;
    }
    return outcome;
  }
  Result<std::optional<std::uint64_t>> stored_through(const IncarnationId& incarnation) override {
    const std::lock_guard lock{mutex_};
    if (down) return Error{ErrorCode::kUnavailable, "log.unavailable", "down"};
    const auto found = marks_.find(incarnation);
    if (found == marks_.end() || found->second == 0) return std::optional<std::uint64_t>{};
    return std::optional{found->second};
  }
  // As after a fail-over: the last `count` records are gone, and so is the connection.
  void lose_last(std::size_t count, const IncarnationId& incarnation) {
    const std::lock_guard lock{mutex_};
    stored_.resize(stored_.size() - count);
    marks_[incarnation] -= count;
    down = true;
  }
  std::vector<std::string> stored() {
    const std::lock_guard lock{mutex_};
    return stored_;
  }
  std::atomic<bool> down{false};
  IncarnationId refused_incarnation;

 private:
  std::mutex mutex_;
  std::map<IncarnationId, std::uint64_t> marks_;
  std::vector<std::string> stored_;
};

http::Client client_to_nobody() {
  http::ClientConfig config;
  config.base_url = "http://127.0.0.1:9";
  return http::Client::create(config).value();
}

class ShipperTest : public ::testing::Test {
 protected:
  ShipperTest() { std::filesystem::create_directory(folder()); }
  ~ShipperTest() override { stop(); }

  std::string folder() const { return (temp_ / "wal").string(); }
  std::unique_ptr<WalWriter> open_wal() {
    WalConfig config;
    config.folder = folder();
    config.segment_bytes = 64U << 10;
    config.min_free_bytes = 0;
    return WalWriter::open(config, {}).value();
  }
  static void append(WalWriter& wal, const std::string& payload, RecordKind kind = RecordKind::kPublish) {
    RecordView record;
    record.kind = kind;
    record.tenant = "acme";
    record.device = "pump";
    record.payload = as_bytes(payload);
    ASSERT_TRUE(wal.append(record).ok());
  }
  void start() {
    ShipperConfig config;
    config.wal_folder = folder();
    config.retention = retention_;
    config.least_backoff = std::chrono::milliseconds{2};
    config.most_backoff = std::chrono::milliseconds{10};
    config.idle_wait = std::chrono::milliseconds{1};
    shipper_ = std::make_unique<Shipper>(config, log_, events_, metrics_);
    thread_ = std::jthread{[this](std::stop_token token) { shipper_->run(token); }};
  }
  void stop() { thread_ = {}; }
  bool stores(std::size_t count) {
    return eventually([&] { return log_.stored().size() == count; });
  }
  void expect_numbered_from_one() {
    const auto stored = log_.stored();
    for (std::size_t i = 0; i < stored.size(); ++i) ASSERT_EQ(stored[i], "acme/pump " + std::to_string(i + 1));
  }
  std::size_t segments(SegmentState state) {
    std::size_t count = 0;
    for (const SegmentFile& file : list_segments(folder())) count += file.state == state ? 1 : 0;
    return count;
  }

  test_support::TempFolder temp_;
  MetricsRegistry metrics_;
  MemoryLog log_;
  WalRetentionConfig retention_{std::chrono::hours{1}, 1ULL << 40, 0};
  // Nobody listens there: events wait in memory.
  EventReporter events_{client_to_nobody(), metrics_};
  std::unique_ptr<Shipper> shipper_;
  std::jthread thread_;
};

TEST_F(ShipperTest, ShipsIncarnationsInOrderAndKeepsTheirSegments) {
  auto first = open_wal();
  for (int i = 1; i <= 1000; ++i) append(*first, std::to_string(i));
  first.reset();
  auto second = open_wal();
  for (int i = 1001; i <= 2000; ++i) append(*second, std::to_string(i));
  start();
  ASSERT_TRUE(stores(2000));
  expect_numbered_from_one();

  append(*second, "2001");
  ASSERT_TRUE(stores(2001));
  EXPECT_TRUE(eventually([&] { return segments(SegmentState::kPending) == 1; })) << "only the present one";
  EXPECT_GT(segments(SegmentState::kStored), 3U);
}

TEST_F(ShipperTest, GoesOnAfterTheDatabaseWasAway) {
  auto wal = open_wal();
  append(*wal, "1");
  log_.down = true;
  start();
  const Counter& failures = metrics_.counter("muster_edge_ship_failures_total", "");
  ASSERT_TRUE(eventually([&] { return failures.value() > 3; }));
  append(*wal, "2");
  log_.down = false;
  ASSERT_TRUE(stores(2));
  expect_numbered_from_one();
}

TEST_F(ShipperTest, SendsAgainWhatTheLogLost) {
  auto wal = open_wal();
  const IncarnationId incarnation = wal->incarnation();
  for (int i = 1; i <= 1500; ++i) append(*wal, std::to_string(i));
  start();
  ASSERT_TRUE(stores(1500));
  ASSERT_TRUE(eventually([&] { return segments(SegmentState::kStored) >= 3; }));

  log_.lose_last(1400, incarnation);
  append(*wal, "1501");
  const Counter& failures = metrics_.counter("muster_edge_ship_failures_total", "");
  ASSERT_TRUE(eventually([&] { return failures.value() > 0; })) << "a fail-over breaks the connection";
  log_.down = false;
  ASSERT_TRUE(stores(1501));
  expect_numbered_from_one();
}

TEST_F(ShipperTest, LeavesOutOnlyTheRecordThatTheLogRefuses) {
  auto wal = open_wal();
  append(*wal, "1");
  append(*wal, "poison");
  append(*wal, "2");
  start();
  ASSERT_TRUE(stores(2));
  expect_numbered_from_one();
  EXPECT_TRUE(eventually([&] { return metrics_.counter("muster_edge_records_refused_total", "").value() == 1; }));
}

TEST_F(ShipperTest, LeavesNothingOutWhenTheLogRefusesEverything) {
  auto wal = open_wal();
  append(*wal, "poison");
  append(*wal, "poison");
  start();
  const Counter& failures = metrics_.counter("muster_edge_ship_failures_total", "");
  ASSERT_TRUE(eventually([&] { return failures.value() >= 3; }));
  EXPECT_EQ(metrics_.counter("muster_edge_records_refused_total", "").value(), 0U);

  append(*wal, "1");
  ASSERT_TRUE(stores(1));
  EXPECT_TRUE(eventually([&] { return metrics_.counter("muster_edge_records_refused_total", "").value() == 2; }));
}

TEST_F(ShipperTest, DoesNotWaitBehindAnotherEdgesIncarnation) {
  auto foreign = open_wal();
  append(*foreign, "foreign");
  log_.refused_incarnation = foreign->incarnation();
  foreign.reset();
  auto wal = open_wal();
  append(*wal, "1");
  start();
  ASSERT_TRUE(stores(1));
  expect_numbered_from_one();
}

TEST_F(ShipperTest, DeletesWhatNeedNotBeKept) {
  retention_.keep_bytes = 0;
  auto wal = open_wal();
  append(*wal, "1");
  wal.reset();
  start();
  ASSERT_TRUE(stores(1));
  EXPECT_TRUE(eventually([&] { return std::filesystem::is_empty(folder()); })) << "the mark as well";
}

TEST_F(ShipperTest, CountsWhatCannotBeRead) {
  auto wal = open_wal();
  for (int i = 1; i <= 3; ++i) append(*wal, std::to_string(i));
  ASSERT_TRUE(eventually([&] { return wal->statistics().durable == 3; }));
  wal.reset();
  const std::string path = list_segments(folder()).at(0).path;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  start();
  ASSERT_TRUE(stores(2));
  EXPECT_TRUE(eventually([&] { return metrics_.counter("muster_edge_records_lost_total", "").value() == 1; }));
}

}  // namespace
}  // namespace muster::edge
