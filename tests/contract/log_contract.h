// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what every engine of ingest::Log must do. An engine adds an adapter (see tests/integration/ingest) with:
//   Engine();                                     a log of its own, 4 partitions a stream, lease 500 ms
//   std::unique_ptr<Log> as_edge(int number);     as the edge's own role
//   std::unique_ptr<Log> as_worker();
//   void remember(); void restore();              the whole log as it was when remembered
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "contract/log_batch.h"
#include "core/record.h"
#include "ingest/log.h"
#include "ingest/reasons.h"

namespace muster::ingest {

template <typename Engine>
class LogContract : public testing::Test {
 protected:
  AppendOutcome append(Appender& appender, const Batch& batch) {
    const auto outcome = appender.append(batch.incarnation(), batch.entries());
    EXPECT_TRUE(outcome.ok()) << to_log_text(outcome.error());
    return outcome.ok() ? *outcome : AppendOutcome{};
  }
  PollBatch poll_records(Consumer& consumer) {
    const auto until = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < until) {
      auto batch = consumer.poll(100, kShortWait);
      EXPECT_TRUE(batch.ok());
      if (batch.ok() && !batch->records.empty()) return std::move(*batch);
    }
    ADD_FAILURE() << "no records";
    return {};
  }
  Engine engine_;
};

TYPED_TEST_SUITE_P(LogContract);

TYPED_TEST_P(LogContract, AppendTwiceWithSameSequenceIsStoredOnce) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  Batch batch{incarnation};
  batch.add(1, "a").add(2, "b").add(3, "c");

  EXPECT_EQ(this->append(*appender, batch).stored, 3u);
  EXPECT_EQ(this->append(*appender, batch).duplicates, 3u);
  Batch more{incarnation};
  more.add(3, "c").add(4, "a");
  const AppendOutcome outcome = this->append(*appender, more);

  EXPECT_EQ(outcome.stored, 1u);
  EXPECT_EQ(outcome.duplicates, 1u);
  auto consumer = this->engine_.as_worker()->subscribe("g", {Stream::kRaw});
  EXPECT_EQ(drain(*consumer, 4).size(), 4u);
  EXPECT_TRUE(consumer->poll(10, kShortWait)->records.empty());
}

TYPED_TEST_P(LogContract, StoredThroughIsTheHighestSequenceOrNothing) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();

  EXPECT_EQ(*appender->stored_through(incarnation), std::nullopt);
  this->append(*appender, Batch{incarnation}.add(7).add(12, "b", Stream::kLifecycle));

  EXPECT_EQ(*appender->stored_through(incarnation), 12u);
}

TYPED_TEST_P(LogContract, OffsetsAreDenseAndInAppendOrder) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  std::uint64_t sequence = 0;
  for (int i = 0; i < 5; ++i) {
    Batch batch{incarnation};
    for (int j = 0; j < 20; ++j) batch.add(++sequence, "pump-" + std::to_string(j % 6));
    this->append(*appender, batch);
  }

  auto consumer = this->engine_.as_worker()->subscribe("g", {Stream::kRaw});
  const auto seen = drain(*consumer, 100);

  ASSERT_EQ(seen.size(), 100u);
  std::map<std::int32_t, SeenRecord> last;
  for (const SeenRecord& record : seen) {
    const auto before = last.find(record.partition);
    if (before == last.end()) {
      EXPECT_EQ(record.offset, 0);
    } else {
      EXPECT_EQ(record.offset, before->second.offset + 1);
      EXPECT_GT(record.sequence, before->second.sequence);
      EXPECT_GE(record.append_time, before->second.append_time);
    }
    last.insert_or_assign(record.partition, record);
  }
}

TYPED_TEST_P(LogContract, AKeyStaysInItsPartition) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  Batch batch{IncarnationId::random()};
  for (std::uint64_t i = 1; i <= 60; ++i) batch.add(i, "pump-" + std::to_string(i % 20));
  this->append(*appender, batch);

  auto consumer = this->engine_.as_worker()->subscribe("g", {Stream::kRaw});
  std::map<std::string, std::int32_t> partition_of_key;
  for (const SeenRecord& record : drain(*consumer, 60)) {
    EXPECT_EQ(partition_of_key.emplace(record.key, record.partition).first->second, record.partition);
    EXPECT_EQ(partition_of(record.key, 4), record.partition);
  }
}

TYPED_TEST_P(LogContract, TwoAppendersAtOnceLeaveNoGapAndNothingIsSkipped) {
  constexpr std::uint64_t batches = 40, size = 25;
  auto reader_log = this->engine_.as_worker();
  auto consumer = reader_log->subscribe("g", {Stream::kRaw});
  const auto append_all = [this](int edge) {
    auto log = this->engine_.as_edge(edge);
    auto appender = log->open_appender();
    const IncarnationId incarnation = IncarnationId::random();
    for (std::uint64_t b = 0; b < batches; ++b) {
      Batch batch{incarnation};
      for (std::uint64_t i = 0; i < size; ++i) batch.add(b * size + i + 1, "pump-" + std::to_string(i));
      this->append(*appender, batch);
    }
  };
  std::jthread first{append_all, 1}, second{append_all, 2};

  const auto seen = drain(*consumer, 2 * batches * size);  // while they append

  EXPECT_EQ(seen.size(), 2 * batches * size);
  std::map<std::int32_t, std::int64_t> next;
  for (const SeenRecord& record : seen) EXPECT_EQ(record.offset, next[record.partition]++);
}

TYPED_TEST_P(LogContract, AnotherRoleMayNotUseAnIncarnation) {
  const IncarnationId incarnation = IncarnationId::random();
  auto log = this->engine_.as_edge(1), other_log = this->engine_.as_edge(2);
  auto appender = log->open_appender(), other = other_log->open_appender();
  this->append(*appender, Batch{incarnation}.add(1));

  const Batch stolen = Batch{incarnation}.add(2);
  const auto outcome = other->append(incarnation, stolen.entries());

  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().reason, reasons::kPermissionDenied);
  EXPECT_EQ(other->stored_through(incarnation).error().reason, reasons::kPermissionDenied);
  EXPECT_EQ(*appender->stored_through(incarnation), 1u);
}

TYPED_TEST_P(LogContract, ABatchThatIsNotInOrderIsRefused) {
  const IncarnationId incarnation = IncarnationId::random();
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const Batch descending = Batch{incarnation}.add(2).add(1);

  EXPECT_EQ(appender->append(incarnation, descending.entries()).error().reason, reasons::kBatchInvalid);
  EXPECT_EQ(appender->append(IncarnationId::random(), descending.entries()).error().reason, reasons::kBatchInvalid);
  EXPECT_EQ(*appender->stored_through(incarnation), std::nullopt);
}

TYPED_TEST_P(LogContract, TheMarkGoesBackWithARestoreAndTheRecordsCanBeStoredAgain) {
  const IncarnationId incarnation = IncarnationId::random();
  {
    auto log = this->engine_.as_edge(1);
    this->append(*log->open_appender(), Batch{incarnation}.add(1));
  }
  this->engine_.remember();
  {
    auto log = this->engine_.as_edge(1);
    this->append(*log->open_appender(), Batch{incarnation}.add(2).add(3));
  }
  this->engine_.restore();

  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  EXPECT_EQ(*appender->stored_through(incarnation), 1u);
  EXPECT_EQ(this->append(*appender, Batch{incarnation}.add(2).add(3)).stored, 2u);
}

TYPED_TEST_P(LogContract, AGroupGoesOnWhereItCommitted) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  this->append(*appender, Batch{incarnation}.add(1).add(2));
  auto worker = this->engine_.as_worker();
  {
    auto consumer = worker->subscribe("g", {Stream::kRaw});
    drain(*consumer, 2);
  }
  this->append(*appender, Batch{incarnation}.add(3));

  auto again = worker->subscribe("g", {Stream::kRaw});
  auto another_group = worker->subscribe("h", {Stream::kRaw});

  const auto seen = drain(*again, 1);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].sequence, 3u);
  EXPECT_EQ(drain(*another_group, 3).size(), 3u);
}

TYPED_TEST_P(LogContract, WhatWasNotCommittedComesAgain) {
  auto log = this->engine_.as_edge(1);
  this->append(*log->open_appender(), Batch{IncarnationId::random()}.add(1).add(2));
  auto worker = this->engine_.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  EXPECT_EQ(this->poll_records(*consumer).records.size(), 2u);

  consumer->rewind();

  EXPECT_EQ(this->poll_records(*consumer).records.size(), 2u);
}

TYPED_TEST_P(LogContract, AZombiesCommitIsRefusedAndStoresNothing) {
  auto log = this->engine_.as_edge(1);
  this->append(*log->open_appender(), Batch{IncarnationId::random()}.add(1));
  auto zombie_log = this->engine_.as_worker(), heir_log = this->engine_.as_worker();
  auto zombie = zombie_log->subscribe("g", {Stream::kRaw});
  const PollBatch read_by_zombie = this->poll_records(*zombie);

  // The zombie does not poll any more: its lease ends and the heir is given the partition.
  auto heir = heir_log->subscribe("g", {Stream::kRaw});
  const PollBatch read_by_heir = this->poll_records(*heir);
  auto transaction = zombie->begin();
  ASSERT_TRUE(transaction->produce(Stream::kNormalized, "acme/pump-1", read_by_zombie.records[0].record).ok());
  transaction->advance(read_by_zombie.next, read_by_zombie.fence);
  const auto refused = transaction->commit();

  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, reasons::kFenced);
  EXPECT_EQ(zombie->commit(read_by_zombie.next, read_by_zombie.fence).error().reason, reasons::kFenced);
  EXPECT_TRUE(heir->commit(read_by_heir.next, read_by_heir.fence).ok());
  auto outputs = heir_log->subscribe("outputs", {Stream::kNormalized});
  EXPECT_TRUE(outputs->poll(10, kShortWait)->records.empty());
}

TYPED_TEST_P(LogContract, MembersShareThePartitionsAndALeaverGivesItsOwnBack) {
  auto log = this->engine_.as_edge(1);
  auto appender = log->open_appender();
  const IncarnationId incarnation = IncarnationId::random();
  auto worker = this->engine_.as_worker();
  auto first = worker->subscribe("g", {Stream::kRaw}), second = worker->subscribe("g", {Stream::kRaw});
  std::set<std::int32_t> of_first, of_second;
  std::uint64_t sequence = 0;
  const auto until = std::chrono::steady_clock::now() + kDeadline;
  const auto is_shared = [&] { return of_first.size() == 2 && of_second.size() == 2; };
  while (!is_shared() && std::chrono::steady_clock::now() < until) {
    Batch batch{incarnation};
    for (int i = 0; i < 16; ++i) batch.add(++sequence, "pump-" + std::to_string(i));
    this->append(*appender, batch);
    for (auto* side : {&of_first, &of_second}) {
      side->clear();
      for (int i = 0; i < 4; ++i) {
        Consumer& consumer = side == &of_first ? *first : *second;
        const auto read = consumer.poll(1000, std::chrono::milliseconds{0});
        ASSERT_TRUE(read.ok());
        if (read->records.empty()) break;
        if (consumer.commit(read->next, read->fence).ok()) side->insert(read->next.partition);
      }
    }
  }
  EXPECT_TRUE(is_shared());

  second->leave();
  Batch batch{incarnation};
  for (int i = 0; i < 16; ++i) batch.add(++sequence, "pump-" + std::to_string(i));
  this->append(*appender, batch);
  std::set<std::int32_t> all;
  while (all.size() < 4 && std::chrono::steady_clock::now() < until) {
    const auto read = first->poll(1000, kShortWait);
    ASSERT_TRUE(read.ok());
    if (!read->records.empty()) all.insert(read->next.partition);
  }
  EXPECT_EQ(all.size(), 4u);
}

TYPED_TEST_P(LogContract, OutputStateAndOffsetAreOneCommit) {
  auto log = this->engine_.as_edge(1);
  this->append(*log->open_appender(), Batch{IncarnationId::random()}.add(1));
  auto worker = this->engine_.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  const PollBatch batch = this->poll_records(*consumer);
  const auto commit_with = [&](std::int64_t fence) {
    auto transaction = consumer->begin();
    EXPECT_TRUE(transaction->produce(Stream::kNormalized, "acme/pump-1", batch.records[0].record).ok());
    EXPECT_TRUE(transaction->put_state("count", as_bytes("1")).ok());
    transaction->advance(batch.next, fence);
    return transaction->commit();
  };

  EXPECT_FALSE(commit_with(batch.fence + 1).ok());
  EXPECT_EQ(*consumer->get_state("count"), std::nullopt);
  EXPECT_TRUE(commit_with(batch.fence).ok());

  EXPECT_EQ(as_text(**consumer->get_state("count")), "1");
  auto outputs = worker->subscribe("outputs", {Stream::kNormalized});
  EXPECT_EQ(drain(*outputs, 1).size(), 1u);
  EXPECT_TRUE(consumer->poll(10, kShortWait)->records.empty());
}

TYPED_TEST_P(LogContract, PartitionsOfOneTransactionMoveTogetherOrNotAtAll) {
  auto log = this->engine_.as_edge(1);
  Batch records{IncarnationId::random()};
  for (std::uint64_t i = 1; i <= 16; ++i) records.add(i, "pump-" + std::to_string(i));
  this->append(*log->open_appender(), records);
  auto worker = this->engine_.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  std::vector<PollBatch> batches;
  const auto poll_all = [&] {
    std::size_t count = 0;
    batches.clear();
    do {
      batches.push_back(this->poll_records(*consumer));
      count += batches.back().records.size();
    } while (batches.back().more);
    return count;
  };
  ASSERT_EQ(poll_all(), 16u);
  ASSERT_GT(batches.size(), 1u);
  const auto commit_with = [&](std::int64_t added_to_last_fence) {
    auto transaction = consumer->begin();
    for (const PollBatch& batch : batches) {
      transaction->advance(batch.next, batch.fence + (&batch == &batches.back() ? added_to_last_fence : 0));
    }
    return transaction->commit();
  };

  EXPECT_EQ(commit_with(1).error().reason, reasons::kFenced);
  consumer->rewind();
  ASSERT_EQ(poll_all(), 16u);
  ASSERT_TRUE(commit_with(0).ok());
  consumer->rewind();
  EXPECT_TRUE(consumer->poll(10, kShortWait)->records.empty());
}

TYPED_TEST_P(LogContract, SeekGoesBackAndRefusesWhatDoesNotExist) {
  auto log = this->engine_.as_edge(1);
  this->append(*log->open_appender(), Batch{IncarnationId::random()}.add(1).add(2));
  auto worker = this->engine_.as_worker();
  auto consumer = worker->subscribe("g", {Stream::kRaw});
  const PollBatch batch = this->poll_records(*consumer);
  ASSERT_TRUE(consumer->commit(batch.next, batch.fence).ok());
  Cursor to = batch.next;

  to.offset = 99;
  EXPECT_EQ(consumer->seek(to).error().reason, reasons::kCursorInvalid);
  to.offset = 1;
  EXPECT_TRUE(consumer->seek(to).ok());

  const PollBatch again = this->poll_records(*consumer);
  ASSERT_EQ(again.records.size(), 1u);
  EXPECT_EQ(again.records[0].offset, 1);
}

REGISTER_TYPED_TEST_SUITE_P(LogContract, AppendTwiceWithSameSequenceIsStoredOnce,
                            StoredThroughIsTheHighestSequenceOrNothing, OffsetsAreDenseAndInAppendOrder,
                            AKeyStaysInItsPartition, TwoAppendersAtOnceLeaveNoGapAndNothingIsSkipped,
                            AnotherRoleMayNotUseAnIncarnation, ABatchThatIsNotInOrderIsRefused,
                            TheMarkGoesBackWithARestoreAndTheRecordsCanBeStoredAgain, AGroupGoesOnWhereItCommitted,
                            WhatWasNotCommittedComesAgain, AZombiesCommitIsRefusedAndStoresNothing,
                            MembersShareThePartitionsAndALeaverGivesItsOwnBack, OutputStateAndOffsetAreOneCommit,
                            PartitionsOfOneTransactionMoveTogetherOrNotAtAll, SeekGoesBackAndRefusesWhatDoesNotExist);

}  // namespace muster::ingest
