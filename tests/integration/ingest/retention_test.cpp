// SPDX-License-Identifier: Apache-2.0
#include "ingest/retention.h"

#include <gtest/gtest.h>

#include "contract/log_batch.h"
#include "ingest/worker.h"
#include "integration/ingest/log_lab.h"

namespace muster::ingest {
namespace {

constexpr std::uint64_t kRecords = 40;

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() { lab_.use_four_partitions(); }

  void append(std::uint64_t first) {
    Batch batch{incarnation_};
    for (std::uint64_t i = 0; i < kRecords; ++i) batch.add(first + i, "pump-" + std::to_string(i));
    ASSERT_TRUE(appender_->append(batch.incarnation(), batch.entries()).ok());
  }
  // As if everything that the stream holds had been stored ten days ago.
  void make_old(const std::string& stream) {
    lab_.execute(
        "DO $$ DECLARE t text; BEGIN FOR t IN SELECT log.table_name(h.stream, h.epoch, h.partition) FROM log.heads h"
        " JOIN log.streams s ON s.id = h.stream WHERE s.name = '" +
        stream +
        "' LOOP EXECUTE format('UPDATE log.%I SET append_time = append_time - 864000000000', t); END LOOP; END $$");
  }
  // Records that are still there.
  std::int64_t held(const std::string& stream) {
    return std::stoll(lab_.execute(
        "SELECT coalesce(sum(h.next_offset - h.first_offset), 0) FROM log.heads h JOIN log.streams s ON s.id = h.stream"
        " WHERE s.name = '" +
        stream + "'"));
  }
  std::int64_t rows(const std::string& stream) {
    return std::stoll(lab_.execute(
        "SELECT coalesce(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM log.%I',"
        " log.table_name(h.stream, h.epoch, h.partition)), false, true, '')))[1]::text::bigint), 0)"
        " FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE s.name = '" +
        stream + "'"));
  }
  std::uint64_t pass(const std::string& group = "muster-worker") {
    RetentionConfig config;
    config.group = group;
    RetentionKeeper keeper(config, *worker_log_, metrics_);
    const auto removed = keeper.pass({});
    EXPECT_TRUE(removed.ok()) << to_log_text(removed.error());
    return removed.ok() ? *removed : 0;
  }
  void work_off() {
    WorkerConfig config;
    config.poll_wait = std::chrono::milliseconds{20};
    const auto worker = std::move(Worker::create(config, *worker_log_, metrics_)).value();
    while (*worker->step()) {
    }
  }

  LogLab lab_;
  MetricsRegistry metrics_;
  const IncarnationId incarnation_ = IncarnationId::random();
  std::unique_ptr<Log> edge_log_ = lab_.as_edge(1);
  std::unique_ptr<Appender> appender_ = edge_log_->open_appender();
  std::unique_ptr<Log> worker_log_ = lab_.as_worker();
};

TEST_F(RetentionTest, WhatTheWorkerHasNotReadStaysHoweverOld) {
  append(1);
  make_old("raw");
  EXPECT_EQ(pass(), 0U) << "nobody has read anything";
  EXPECT_EQ(rows("raw"), 40);

  work_off();
  append(1 + kRecords);
  make_old("raw");
  EXPECT_EQ(pass("another-group"), 0U) << "which has committed nothing";
  EXPECT_EQ(pass(), kRecords);
  EXPECT_EQ(rows("raw"), 40);
  EXPECT_EQ(held("raw"), 40);

  work_off();  // goes on behind the gap
  EXPECT_EQ(held("normalized"), 80);
  EXPECT_EQ(pass(), kRecords);
  EXPECT_EQ(rows("raw"), 0);
}

TEST_F(RetentionTest, OnlyWhatIsPastItsKeepGoes) {
  append(1);
  work_off();
  EXPECT_EQ(pass(), 0U);
  make_old("raw");
  make_old("normalized");
  append(1 + kRecords);
  work_off();
  EXPECT_EQ(pass(), 2 * kRecords);
  EXPECT_EQ(held("raw"), 40);
  EXPECT_EQ(held("normalized"), 40);

  // A group that begins now reads what is there, from the first record that is.
  auto late = worker_log_->subscribe("late", {Stream::kNormalized});
  EXPECT_EQ(drain(*late, kRecords).size(), kRecords);
}

TEST_F(RetentionTest, EdgesMayNotMakeTheLogForget) {
  const auto refused = edge_log_->retain(Stream::kRaw, std::chrono::hours{1}, "muster-worker");
  EXPECT_FALSE(refused.ok());
  EXPECT_FALSE(worker_log_->retain(Stream::kRaw, std::chrono::hours{0}, "muster-worker").ok());
}

}  // namespace
}  // namespace muster::ingest
