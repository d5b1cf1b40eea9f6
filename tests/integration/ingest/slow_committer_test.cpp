// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <thread>

#include "contract/log_batch.h"
#include "ingest/reasons.h"
#include "integration/ingest/log_lab.h"
#include "support/eventually.h"

namespace muster::ingest {
namespace {

using test_support::eventually;

// HeldHead is an appender that has the partition's head and does not commit.
class HeldHead {
 public:
  HeldHead(const LogLab& lab, int partition) : connection_(PQconnectdb(lab.database().url("postgres").c_str())) {
    run("BEGIN");
    run("SELECT FROM log.heads WHERE stream = 1 AND partition = " + std::to_string(partition) + " FOR NO KEY UPDATE");
  }
  ~HeldHead() { PQfinish(connection_); }
  HeldHead(const HeldHead&) = delete;
  HeldHead& operator=(const HeldHead&) = delete;
  void release() { run("COMMIT"); }

 private:
  void run(const std::string& sql) { PQclear(PQexec(connection_, sql.c_str())); }
  PGconn* connection_;
};

std::string key_device_of(std::int32_t partition) {
  for (int i = 0;; ++i) {
    const std::string device = "pump-" + std::to_string(i);
    if (partition_of("acme/" + device, 16) == partition) return device;
  }
}

TEST(SlowCommitter, IsNotOvertakenAndNothingIsSkipped) {
  LogLab lab;
  const std::string device = key_device_of(3);
  auto edge = lab.as_edge(1);
  auto consumer_log = lab.as_worker();
  auto consumer = consumer_log->subscribe("g", {Stream::kRaw});
  // A slow writer: it has taken offset 0 and has not committed when the other one comes.
  PGconn* slow = PQconnectdb(lab.database().url(LogLab::edge_role(2)).c_str());
  const auto run = [slow](const std::string& sql) {
    PGresult* result = PQexec(slow, sql.c_str());
    const std::string error = PQresultErrorMessage(result);
    PQclear(result);
    EXPECT_EQ(error, "");
  };
  const std::string ids = "'55555555-5555-5555-5555-555555555555'";
  run("BEGIN");
  run("SELECT log.open_append(" + ids + ", '{1}', '{1}', '{3}')");
  run("INSERT INTO log.raw_1_0003 SELECT 0, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 1, " +
      lab.execute("SELECT id FROM log.appenders WHERE role = '" + LogLab::edge_role(2) + "'") + ", 1, " + ids + ", " +
      ids + ", " + ids + ", '\\x01010000000000000100000000000000'::bytea || uuid_send(" + ids + ") || uuid_send(" +
      ids + ") || uuid_send(" + ids + ")");

  const IncarnationId incarnation = IncarnationId::random();
  std::jthread fast{[&] {
    auto appender = edge->open_appender();
    EXPECT_TRUE(appender->append(incarnation, Batch{incarnation}.add(1, device).entries()).ok());
  }};
  ASSERT_TRUE(eventually(
      [&] { return lab.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1"; }));
  EXPECT_TRUE(consumer->poll(10, kShortWait)->records.empty());
  run("COMMIT");
  fast.join();

  const auto batch = consumer->poll(10, kDeadline);
  ASSERT_TRUE(batch.ok());
  ASSERT_EQ(batch->records.size(), 2u);
  EXPECT_EQ(batch->records[0].offset, 0);
  EXPECT_EQ(batch->records[1].offset, 1);
  PQfinish(slow);
}

TEST(SlowCommitter, AHeadThatIsNotGivenFreeEndsInUnavailableAndTheBatchCanBeRepeated) {
  LogLab lab;
  PostgresLogConfig config;
  config.database_url = lab.database().url(LogLab::edge_role(1));
  config.lock_timeout = std::chrono::milliseconds{50};
  const auto log = std::move(PostgresLog::create(config)).value();
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  const Batch batch = Batch{incarnation}.add(1, key_device_of(3));
  HeldHead held{lab, 3};

  const auto refused = appender->append(incarnation, batch.entries());
  held.release();

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, reasons::kUnavailable);
  EXPECT_EQ(appender->append(incarnation, batch.entries())->stored, 1u);
}

TEST(Epoch, AGroupFinishesTheOldOneFirstAndAppendersFollowTheNewOne) {
  LogLab lab;
  auto edge = lab.as_edge(1);
  auto appender = edge->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  ASSERT_TRUE(appender->append(incarnation, Batch{incarnation}.add(1).add(2, "b").entries()).ok());
  lab.execute("SELECT log.open_epoch('raw', 4)");

  // The same batch once more, as after a lost answer: the mark holds across epochs.
  const auto repeated = appender->append(incarnation, Batch{incarnation}.add(2, "b").add(3).entries());

  ASSERT_TRUE(repeated.ok()) << to_log_text(repeated.error());
  EXPECT_EQ(repeated->stored, 1u);
  auto worker = lab.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  std::vector<std::int32_t> epochs;
  EXPECT_TRUE(eventually([&] {
    const auto batch = consumer->poll(10, kShortWait);
    if (batch.ok() && !batch->records.empty()) {
      EXPECT_TRUE(consumer->commit(batch->next, batch->fence).ok());
      epochs.insert(epochs.end(), batch->records.size(), batch->next.epoch);
    }
    return epochs.size() == 3;
  }));
  EXPECT_EQ(epochs, (std::vector<std::int32_t>{1, 1, 2}));
}

TEST(Retention, TrimRemovesWhatIsOldAndReadersGoOnBehindIt) {
  LogLab lab;
  auto edge = lab.as_edge(1);
  auto appender = edge->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  ASSERT_TRUE(appender->append(incarnation, Batch{incarnation}.add(1).add(2).entries()).ok());
  const std::string between = lab.execute("SELECT log.now_micros()");
  ASSERT_TRUE(appender->append(incarnation, Batch{incarnation}.add(3).entries()).ok());

  EXPECT_EQ(lab.execute("SELECT log.trim('raw', " + between + ")"), "2");

  auto worker = lab.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  const auto batch = consumer->poll(10, kDeadline);
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].offset, 2);
}

}  // namespace
}  // namespace muster::ingest
