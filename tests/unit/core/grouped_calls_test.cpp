// SPDX-License-Identifier: Apache-2.0
#include "core/grouped_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <new>
#include <thread>

namespace muster {
namespace {

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

// Calls 0 to count-1 at the same time, while a first group is held up until all of them wait.
class Crowd {
 public:
  Crowd(Calls& calls, int count) : calls_(calls), count_(count) {}

  std::vector<Result<int>> run(const Calls::Work& work) {
    std::latch first_began{1};
    std::latch go{1};
    std::jthread first([&] {
      EXPECT_EQ(*calls_.call(1000,
                             [&](const Numbers& questions) {
                               first_began.count_down();
                               go.wait();
                               return doubled(questions);
                             }),
                2000);
    });
    first_began.wait();
    std::vector<Result<int>> answers(static_cast<std::size_t>(count_), Result<int>{-1});
    std::vector<std::jthread> others;
    for (int i = 0; i < count_; ++i) {
      others.emplace_back([&, i] { answers[static_cast<std::size_t>(i)] = calls_.call(i, work); });
    }
    go.count_down();
    others.clear();
    return answers;
  }

 private:
  Calls& calls_;
  int count_;
};

TEST(GroupedCalls, EachHasItsOwnAnswerWhateverGroupItWentWith) {
  Calls calls{limits(1, 7)};
  std::atomic<std::size_t> largest = 0;
  const auto answers = Crowd(calls, 40).run([&](const Numbers& questions) {
    largest = std::max(largest.load(), questions.size());
    return doubled(questions);
  });
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(*answers[i], 2 * static_cast<int>(i));
  EXPECT_LE(largest, 7U);
}

TEST(GroupedCalls, NoMoreGroupsAreUnderWayThanItSays) {
  Calls calls{limits(2, 3)};
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  Crowd(calls, 30).run([&](const Numbers& questions) {
    const int here = ++now;
    int seen = most;
    while (here > seen && !most.compare_exchange_weak(seen, here)) {
    }
    std::this_thread::yield();
    --now;
    return doubled(questions);
  });
  EXPECT_LE(most, 2);
}

TEST(GroupedCalls, AnErrorIsTheAnswerOfItsGroupAndOfNoOther) {
  Calls calls{limits(1, 1)};
  const auto answers = Crowd(calls, 10).run([&](const Numbers& questions) -> Result<Doubled> {
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
  std::latch began{1};
  std::latch go{1};
  std::jthread first([&] {
    EXPECT_EQ(*calls.call(1,
                          [&](const Numbers& questions) {
                            began.count_down();
                            go.wait();
                            return doubled(questions);
                          }),
              2);
  });
  began.wait();
  EXPECT_EQ(calls.call(2, doubled).error().reason, "test.too_long");
  go.count_down();
  first.join();
  EXPECT_EQ(*calls.call(3, doubled), 6);
}

}  // namespace
}  // namespace muster
