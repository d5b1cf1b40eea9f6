// SPDX-License-Identifier: Apache-2.0
#include "core/grouped_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <new>
#include <thread>

#include "support/eventually.h"

namespace muster {
namespace {

using test_support::eventually;
using Numbers = std::vector<int>;
using Doubled = std::vector<Result<int>>;
using Calls = GroupedCalls<int, int>;

Result<Doubled> doubled(const Numbers& questions) {
  Doubled answers;
  for (const int question : questions) answers.emplace_back(2 * question);
  return answers;
}

Calls::Limits limits(std::size_t at_once, std::size_t largest_group) {
  return {at_once, largest_group, std::chrono::minutes(1), Error{ErrorCode::kUnavailable, "test.too_long", ""}};
}

// A first group that is under way until release(): whoever calls meanwhile waits, where one may be under way at once.
class Held {
 public:
  explicit Held(Calls& calls)
      : thread_([this, &calls] {
          const auto answer = calls.call(1000, [this](const Numbers& questions) {
            began_.count_down();
            go_.wait();
            return doubled(questions);
          });
          EXPECT_EQ(*answer, 2000);
        }) {
    began_.wait();
  }
  void release() { go_.count_down(); }

 private:
  std::latch began_{1};
  std::latch go_{1};
  std::jthread thread_;
};

// The answers to calls 0 to count-1, all of which wait when the first of them goes.
std::vector<Result<int>> answers_of_crowd(Calls& calls, std::size_t count, const Calls::Work& work) {
  Held held(calls);
  std::vector<Result<int>> answers(count, Result<int>{-1});
  std::vector<std::jthread> crowd;
  for (std::size_t i = 0; i < count; ++i) {
    crowd.emplace_back([&, i] { answers[i] = calls.call(static_cast<int>(i), work); });
  }
  EXPECT_TRUE(eventually([&] { return calls.waiting() == count; }));
  held.release();
  crowd.clear();
  return answers;
}

TEST(GroupedCalls, WhoWaitsGoesTogetherAndEachHasItsOwnAnswer) {
  Calls calls{limits(1, 7)};
  std::vector<std::size_t> groups;  // one at once: no two write here at the same time
  const auto answers = answers_of_crowd(calls, 40, [&](const Numbers& questions) {
    groups.push_back(questions.size());
    return doubled(questions);
  });
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(*answers[i], 2 * static_cast<int>(i));
  EXPECT_EQ(groups, (std::vector<std::size_t>{7, 7, 7, 7, 7, 5}));
}

TEST(GroupedCalls, AsManyGroupsAreUnderWayAsItSaysAndNoMore) {
  Calls calls{limits(2, 1)};
  std::atomic<int> now = 0;
  std::atomic<int> begun = 0;
  std::atomic<bool> too_many = false;
  std::vector<std::jthread> crowd;
  for (int i = 0; i < 30; ++i) {
    crowd.emplace_back([&, i] {
      (void)calls.call(i, [&](const Numbers& questions) {
        if (++now > 2) too_many = true;
        ++begun;
        EXPECT_TRUE(eventually([&] { return begun >= 2; })) << "another goes beside the first";
        --now;
        return doubled(questions);
      });
    });
  }
  crowd.clear();
  EXPECT_FALSE(too_many);
  EXPECT_EQ(begun, 30);
}

TEST(GroupedCalls, AnErrorIsTheAnswerOfItsGroupAndOfNoOther) {
  Calls calls{limits(1, 1)};
  const auto answers = answers_of_crowd(calls, 10, [&](const Numbers& questions) -> Result<Doubled> {
    if (questions.front() == 4) return Error{ErrorCode::kUnavailable, "database.unavailable", ""};
    if (questions.front() == 5) throw std::bad_alloc();
    return doubled(questions);
  });
  EXPECT_EQ(answers[4].error().reason, "database.unavailable");
  EXPECT_EQ(answers[5].error().code, ErrorCode::kInternal);
  for (const int i : {0, 1, 2, 3, 6, 7, 8, 9}) EXPECT_EQ(*answers[static_cast<std::size_t>(i)], 2 * i);
}

TEST(GroupedCalls, WhoWaitsTooLongForAGroupGoesAndTheGroupIsNotTouched) {
  Calls::Limits impatient = limits(1, 9);
  impatient.patience = std::chrono::milliseconds(1);
  Calls calls{impatient};
  {
    Held held(calls);
    EXPECT_EQ(calls.call(2, doubled).error().reason, "test.too_long");
    EXPECT_EQ(calls.waiting(), 0U);
    held.release();
  }
  EXPECT_EQ(*calls.call(3, doubled), 6);
}

}  // namespace
}  // namespace muster
