// SPDX-License-Identifier: Apache-2.0
#include "ingest/worker.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <thread>

#include "contract/log_batch.h"
#include "ingest/reasons.h"
#include "integration/ingest/log_lab.h"
#include "support/eventually.h"

namespace muster::ingest {
namespace {

using test_support::eventually;

WorkerConfig quick() {
  WorkerConfig config;
  config.poll_wait = std::chrono::milliseconds{20};
  config.retry_least = std::chrono::milliseconds{10};
  config.retry_most = std::chrono::milliseconds{100};
  return config;
}

class WorkerTest : public testing::Test {
 protected:
  std::string produced(const std::string& stream) {
    return lab_.execute(
        "SELECT sum(h.next_offset) FROM log.heads h JOIN log.streams s ON s.id = h.stream WHERE "
        "s.name = '" +
        stream + "'");
  }
  void append(Appender& appender, const Batch& batch) {
    const auto outcome = appender.append(batch.incarnation(), batch.entries());
    ASSERT_TRUE(outcome.ok()) << to_log_text(outcome.error());
  }
  // (sequence → how often it was produced)
  std::map<std::uint64_t, int> outputs(std::size_t count) {
    auto log = lab_.as_worker();
    auto consumer = log->subscribe("outputs", {Stream::kNormalized});
    std::map<std::uint64_t, int> times;
    for (const SeenRecord& record : drain(*consumer, count)) ++times[record.sequence];
    return times;
  }
  LogLab lab_;
};

TEST_F(WorkerTest, TurnsRawIntoNormalizedAndDeadLetters) {
  auto edge = lab_.as_edge(1);
  auto appender = edge->open_appender();
  Batch batch{IncarnationId::random()};
  batch.add(1).with_payload("offline").add(2).with_payload(R"([{"a":1},{"a":2}])").add(3);
  append(*appender, batch);
  auto log = lab_.as_worker();
  MetricsRegistry metrics;
  const auto worker = std::move(Worker::create(quick(), *log, metrics)).value();

  EXPECT_TRUE(*worker->step());
  EXPECT_FALSE(*worker->step());

  EXPECT_EQ(produced("normalized"), "3");
  EXPECT_EQ(produced("dead-letters"), "1");
  const std::string rendered = metrics.render();
  EXPECT_NE(rendered.find("muster_worker_records_total 3"), std::string::npos) << rendered;
  EXPECT_NE(rendered.find(R"(muster_worker_dead_letters_by_reason_total{reason="decode.json_invalid"} 1)"),
            std::string::npos)
      << rendered;
}

TEST_F(WorkerTest, StopsCleanlyAndGivesItsPartitionsBack) {
  auto log = lab_.as_worker();
  MetricsRegistry metrics;
  const auto worker = std::move(Worker::create(quick(), *log, metrics)).value();
  std::jthread running{[&](std::stop_token stop) { worker->run(stop); }};
  ASSERT_TRUE(eventually(
      [&] { return lab_.execute("SELECT count(*) FROM log.group_partitions WHERE owner IS NOT NULL") == "16"; }));

  running.request_stop();
  running.join();

  EXPECT_EQ(lab_.execute("SELECT count(*) FROM log.group_partitions WHERE owner IS NOT NULL"), "0");
}

TEST_F(WorkerTest, SurvivesARestartOfTheDatabaseAndProcessesEachRecordOnce) {
  constexpr std::uint64_t half = 500;
  const IncarnationId incarnation = IncarnationId::random();
  auto edge = lab_.as_edge(1);
  auto appender = edge->open_appender();
  const auto append_from = [&](std::uint64_t first) {
    Batch batch{incarnation};
    for (std::uint64_t i = 0; i < half; ++i) batch.add(first + i, "pump-" + std::to_string(i % 40));
    append(*appender, batch);
  };
  auto log = lab_.as_worker();
  MetricsRegistry metrics;
  WorkerConfig config = quick();
  config.batch_records = 16;
  const auto worker = std::move(Worker::create(config, *log, metrics)).value();
  append_from(1);
  std::jthread running{[&](std::stop_token stop) { worker->run(stop); }};
  ASSERT_TRUE(eventually([&] { return produced("normalized") != "0"; }));

  test_support::PostgresLab::shared().stop();
  test_support::PostgresLab::shared().start();
  // The first append finds the old connection dead.
  EXPECT_TRUE(eventually([&] { return appender->stored_through(incarnation).ok(); }));
  append_from(half + 1);

  const auto times = outputs(2 * half);
  EXPECT_EQ(times.size(), 2 * half);
  EXPECT_EQ(produced("normalized"), std::to_string(2 * half));
}

// Runs in a process of its own, so that it can be killed.
pid_t start_worker_process(const LogLab& lab) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  auto log = lab.as_worker();
  MetricsRegistry metrics;
  WorkerConfig config = quick();
  config.batch_records = 8;
  auto worker = Worker::create(config, *log, metrics);
  if (!worker.ok()) _exit(1);
  (*worker)->run({});
  _exit(0);
}

TEST_F(WorkerTest, KilledInTheMiddleItLeavesNothingTwiceAndNothingOut) {
  constexpr std::uint64_t count = 2000;
  auto edge = lab_.as_edge(1);
  auto appender = edge->open_appender();
  Batch batch{IncarnationId::random()};
  for (std::uint64_t i = 1; i <= count; ++i) batch.add(i, "pump-" + std::to_string(i % 60));
  append(*appender, batch);

  for (int round = 0; round < 3; ++round) {
    const std::string before = produced("normalized");
    const pid_t pid = start_worker_process(lab_);
    EXPECT_TRUE(eventually([&] { return produced("normalized") != before; }));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  auto log = lab_.as_worker();
  MetricsRegistry metrics;
  const auto worker = std::move(Worker::create(quick(), *log, metrics)).value();
  std::jthread running{[&](std::stop_token stop) { worker->run(stop); }};

  const auto times = outputs(count);

  EXPECT_EQ(times.size(), count);
  for (const auto& [sequence, n] : times) EXPECT_EQ(n, 1) << sequence;
  EXPECT_EQ(produced("normalized"), std::to_string(count));
}

TEST_F(WorkerTest, ShortPayloadsThatBecomeLongEventsAreCommittedInPieces) {
  constexpr std::uint64_t count = 150;
  std::string payload = "[";
  for (int i = 0; i < 999; ++i) payload += "{\"a\":1},";
  payload += "{\"a\":1}]";  // 8 kB, about 0.7 MB as events
  auto edge = lab_.as_edge(1);
  auto appender = edge->open_appender();
  Batch batch{IncarnationId::random()};
  batch.with_payload(payload);
  for (std::uint64_t i = 1; i <= count; ++i) batch.add(i);
  append(*appender, batch);
  auto log = lab_.as_worker();
  MetricsRegistry metrics;
  const auto worker = std::move(Worker::create(quick(), *log, metrics)).value();

  int steps = 0;
  while (*worker->step()) ++steps;

  EXPECT_GT(steps, 1);
  EXPECT_EQ(produced("normalized"), std::to_string(count * 1000));
}

TEST_F(WorkerTest, TwoWorkersShareTheWork) {
  constexpr std::uint64_t count = 1000;
  auto edge = lab_.as_edge(1);
  auto appender = edge->open_appender();
  auto first_log = lab_.as_worker(), second_log = lab_.as_worker();
  MetricsRegistry first_metrics, second_metrics;
  const auto first = std::move(Worker::create(quick(), *first_log, first_metrics)).value();
  const auto second = std::move(Worker::create(quick(), *second_log, second_metrics)).value();
  std::jthread one{[&](std::stop_token stop) { first->run(stop); }};
  std::jthread two{[&](std::stop_token stop) { second->run(stop); }};
  ASSERT_TRUE(eventually([&] {
    return lab_.execute(
               "SELECT count(DISTINCT owner) || ' ' || count(*) FROM log.group_partitions WHERE owner IS NOT "
               "NULL") == "2 16";
  }));

  Batch batch{IncarnationId::random()};
  for (std::uint64_t i = 1; i <= count; ++i) batch.add(i, "pump-" + std::to_string(i % 100));
  append(*appender, batch);

  EXPECT_EQ(outputs(count).size(), count);
  for (MetricsRegistry* metrics : {&first_metrics, &second_metrics}) {
    EXPECT_EQ(metrics->render().find("muster_worker_records_total 0\n"), std::string::npos);
  }
}

TEST(WorkerConfig, NamesTheOffendingKey) {
  MetricsRegistry metrics;
  const auto log = std::move(PostgresLog::create({.database_url = "dbname=none"})).value();
  const auto refused = [&](auto change) {
    WorkerConfig config;
    change(config);
    const auto worker = Worker::create(config, *log, metrics);
    return worker.ok() ? std::string{} : worker.error().detail;
  };

  EXPECT_EQ(refused([](WorkerConfig& c) { c.group = "a b"; }), "group");
  EXPECT_EQ(refused([](WorkerConfig& c) { c.batch_records = 0; }), "batch_records");
  EXPECT_EQ(refused([](WorkerConfig& c) { c.batch_records = kMaxAppendEntries + 1; }), "batch_records");
  EXPECT_EQ(refused([](WorkerConfig& c) { c.retry_most = std::chrono::milliseconds{1}; }), "retry_most");
  EXPECT_EQ(refused([](WorkerConfig&) {}), "");
}

}  // namespace
}  // namespace muster::ingest
