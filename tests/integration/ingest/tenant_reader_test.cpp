// SPDX-License-Identifier: Apache-2.0
#include "ingest/postgres/tenant_reader.h"

#include <gtest/gtest.h>

#include <thread>

#include "contract/log_batch.h"
#include "ingest/reasons.h"
#include "integration/ingest/log_lab.h"
#include "support/eventually.h"

namespace muster::ingest {
namespace {

using std::chrono::milliseconds;

class TenantReaderTest : public testing::Test {
 protected:
  TenantReaderTest()
      : reader_(std::move(TenantReader::create({.database_url = lab_.database().url("muster_server")})).value()),
        log_(lab_.as_edge(1)),
        appender_(log_->open_appender()) {}
  void append(const TenantId& tenant, std::uint64_t count) {
    Batch batch{incarnation_};
    batch.of_tenant(tenant);
    for (std::uint64_t i = 0; i < count; ++i) batch.add(++sequence_, "pump-" + std::to_string(i % 10));
    const auto outcome = appender_->append(incarnation_, batch.entries());
    ASSERT_TRUE(outcome.ok()) << to_log_text(outcome.error());
  }
  TenantRead read(const TenantId& tenant, std::string_view group, std::size_t max = 100) {
    auto read = reader_->read_records(tenant, Stream::kRaw, group, max, milliseconds{0});
    EXPECT_TRUE(read.ok()) << to_log_text(read.error());
    return read.ok() ? std::move(*read) : TenantRead{};
  }

  LogLab lab_;
  const TenantId acme_ = TenantId::random();
  const TenantId beta_ = TenantId::random();
  const IncarnationId incarnation_ = IncarnationId::random();
  std::uint64_t sequence_ = 0;
  std::unique_ptr<TenantReader> reader_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Appender> appender_;
};

TEST_F(TenantReaderTest, ReadsTheTenantsRecordsOnly) {
  append(acme_, 20);
  append(beta_, 30);

  const TenantRead acme = read(acme_, "app");

  EXPECT_EQ(acme.records.size(), 20u);
  for (const TenantRecord& record : acme.records) EXPECT_EQ(decode_record(record.record)->tenant_id, acme_);
  EXPECT_EQ(read(beta_, "app").records.size(), 30u);
  EXPECT_TRUE(read(TenantId::random(), "app").records.empty());
}

TEST_F(TenantReaderTest, GoesOnAfterWhatTheGroupCommitted) {
  append(acme_, 20);
  const TenantRead first = read(acme_, "app");
  EXPECT_EQ(read(acme_, "app").records.size(), 20u) << "nothing was committed";

  ASSERT_TRUE(reader_->commit(acme_, Stream::kRaw, "app", first.next).ok());
  append(acme_, 3);

  EXPECT_EQ(read(acme_, "app").records.size(), 3u);
  EXPECT_EQ(read(acme_, "another").records.size(), 23u);
}

TEST_F(TenantReaderTest, AGroupOfTheSameNameIsAnotherTenantsOwn) {
  append(acme_, 5);
  append(beta_, 5);
  ASSERT_TRUE(reader_->commit(acme_, Stream::kRaw, "app", read(acme_, "app").next).ok());

  EXPECT_TRUE(read(acme_, "app").records.empty());
  EXPECT_EQ(read(beta_, "app").records.size(), 5u);
}

TEST_F(TenantReaderTest, ReadsInPiecesWithoutLossOrRepetition) {
  append(acme_, 50);
  append(beta_, 50);
  std::size_t seen = 0;
  for (int round = 0; round < 50 && seen < 50; ++round) {
    const TenantRead piece = read(acme_, "app", 7);
    EXPECT_LE(piece.records.size(), 7u);
    seen += piece.records.size();
    ASSERT_TRUE(reader_->commit(acme_, Stream::kRaw, "app", piece.next).ok());
  }
  EXPECT_EQ(seen, 50u);
  EXPECT_TRUE(read(acme_, "app").records.empty());
}

TEST_F(TenantReaderTest, ACommitGoesForwardsOnlyAndNotBeyondTheEnd) {
  append(acme_, 10);
  const TenantRead all = read(acme_, "app");
  ASSERT_TRUE(reader_->commit(acme_, Stream::kRaw, "app", all.next).ok());
  std::vector<Cursor> back = all.next, beyond = all.next, unknown = all.next;
  for (Cursor& cursor : back) cursor.offset = 0;
  beyond[0].offset += 1;
  unknown[0].partition = 99;

  EXPECT_TRUE(reader_->commit(acme_, Stream::kRaw, "app", back).ok());
  EXPECT_TRUE(read(acme_, "app").records.empty());
  EXPECT_EQ(reader_->commit(acme_, Stream::kRaw, "app", beyond).error().reason, reasons::kCursorInvalid);
  EXPECT_EQ(reader_->commit(acme_, Stream::kRaw, "app", unknown).error().reason, reasons::kCursorInvalid);
  EXPECT_EQ(reader_->commit(acme_, Stream::kRaw, "a/b", back).error().reason, reasons::kGroupNameInvalid);
}

TEST_F(TenantReaderTest, WaitsForTheFirstRecord) {
  std::jthread later{[this] {
    EXPECT_TRUE(test_support::eventually([this] {
      return lab_.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'muster reader'") == "1";
    }));
    append(acme_, 1);
  }};

  const auto read = reader_->read_records(acme_, Stream::kRaw, "app", 10, milliseconds{20'000});

  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->records.size(), 1u);
}

TEST_F(TenantReaderTest, ATailBeginsAtTheEndAndFollows) {
  append(acme_, 5);
  std::vector<Cursor> at = std::move(reader_->latest(acme_, Stream::kRaw)).value();
  append(acme_, 2);
  append(beta_, 2);

  const auto first = reader_->tail(acme_, Stream::kRaw, at, 10, milliseconds{0});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->records.size(), 2u);
  at = merge_cursors(at, first->next);

  EXPECT_TRUE(reader_->tail(acme_, Stream::kRaw, at, 10, milliseconds{0})->records.empty());
}

TEST_F(TenantReaderTest, SurvivesARestartOfTheDatabase) {
  append(acme_, 5);
  EXPECT_EQ(read(acme_, "app").records.size(), 5u);

  test_support::PostgresLab::shared().stop();
  EXPECT_EQ(reader_->read_records(acme_, Stream::kRaw, "app", 10, milliseconds{0}).error().reason,
            reasons::kUnavailable);
  test_support::PostgresLab::shared().start();

  EXPECT_EQ(read(acme_, "app").records.size(), 5u);
}

TEST_F(TenantReaderTest, WithoutATenantTheDatabaseAnswersNothing) {
  const auto as_reader = [this](const std::string& tenant) {
    return lab_.execute("SET ROLE muster_reader; SELECT set_config('muster.tenant_id', '" + tenant +
                        "', false); SELECT count(*) FROM log.tenant_heads(1::smallint)");
  };

  EXPECT_EQ(as_reader(acme_.text()), "16");
  EXPECT_ANY_THROW(as_reader(""));
  EXPECT_ANY_THROW(as_reader("00000000-0000-0000-0000-000000000000"));
  EXPECT_ANY_THROW(lab_.execute("SET ROLE muster_reader; SELECT record FROM log.raw_1_0000"));
}

}  // namespace
}  // namespace muster::ingest
