// SPDX-License-Identifier: Apache-2.0
//
// Purpose: calls that come at the same time are answered together. What a call costs alone (a transaction, an
// fdatasync) is then paid once a group, and groups grow with the load.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/no_throw.h"
#include "core/result.h"

namespace muster {

// GroupedCalls has no thread of its own: who comes while `at_once` groups are under way waits and goes with the next
// one, which the first of them leads. A group's work begins after each of its calls has come. Thread-safe.
template <typename Question, typename Answer>
class GroupedCalls {
 public:
  // One answer a question, in their order; an error is the answer of all.
  using Work = std::function<Result<std::vector<Result<Answer>>>(std::vector<Question> questions)>;
  GroupedCalls(std::size_t at_once, std::size_t largest_group) : at_once_(at_once), largest_group_(largest_group) {}

  // Returns when the call's group is done. `work` is run where this call leads; it is the same for all that may meet.
  Result<Answer> call(Question question, const Work& work) {
    const auto ticket = std::make_shared<Ticket>(std::move(question));
    std::unique_lock lock{mutex_};
    waiting_.push_back(ticket);
    while (!ticket->answer) {
      if (ticket->taken || groups_ == at_once_) {
        ticket->changed.wait(lock);
      } else {
        lead(work, lock);
      }
    }
    return std::move(*ticket->answer);
  }

 private:
  struct Ticket {
    explicit Ticket(Question q) : question(std::move(q)) {}
    Question question;
    bool taken = false;  // by a group
    std::optional<Result<Answer>> answer;
    std::condition_variable changed;
  };

  void lead(const Work& work, std::unique_lock<std::mutex>& lock) {
    std::vector<std::shared_ptr<Ticket>> group;
    while (!waiting_.empty() && group.size() < largest_group_) {
      group.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      group.back()->taken = true;
    }
    ++groups_;
    lock.unlock();
    auto answers = no_throw([&] {
      std::vector<Question> questions;
      for (const auto& ticket : group) questions.push_back(std::move(ticket->question));
      return work(std::move(questions));
    });
    lock.lock();
    for (std::size_t i = 0; i < group.size(); ++i) {
      group[i]->answer = answers.ok() ? std::move((*answers)[i]) : Result<Answer>{answers.error()};
      group[i]->changed.notify_one();
    }
    --groups_;
    if (!waiting_.empty()) waiting_.front()->changed.notify_one();
  }

  const std::size_t at_once_;
  const std::size_t largest_group_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Ticket>> waiting_;  // guarded by mutex_
  std::size_t groups_ = 0;                       // under way; guarded by mutex_
};

}  // namespace muster
