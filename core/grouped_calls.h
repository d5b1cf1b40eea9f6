// SPDX-License-Identifier: Apache-2.0
//
// Purpose: calls that come at the same time are answered together. What a call costs alone (a transaction, an
// fdatasync) is then paid once a group, and groups grow with the load.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/no_throw.h"
#include "core/result.h"

namespace muster {

// GroupedCalls has no thread of its own: who comes while all groups are under way waits and goes with the next
// one, which the first of them leads. A group's work begins after each of its calls has come. Thread-safe.
template <typename Question, typename Answer>
class GroupedCalls {
 public:
  // One answer a question, in their order; an error is the answer of all.
  using Work = std::function<Result<std::vector<Result<Answer>>>(std::vector<Question> questions)>;
  struct Limits {
    std::size_t at_once = 1;  // groups under way
    std::size_t largest_group = 1;
    std::chrono::milliseconds patience{};  // of a call that no group has taken yet
    Error too_long{};                      // its answer then
  };
  explicit GroupedCalls(Limits limits) : limits_(std::move(limits)) {}

  // Returns when the call's group is done. `work` is run where this call leads; it is the same for all that may meet.
  Result<Answer> call(Question question, const Work& work) {
    const auto ticket = std::make_shared<Ticket>(std::move(question));
    std::unique_lock lock{mutex_};
    waiting_.push_back(ticket);
    const auto patience = std::chrono::steady_clock::now() + limits_.patience;
    while (!ticket->answer) {
      if (ticket->taken) {
        ticket->changed.wait(lock);
      } else if (groups_ < limits_.at_once) {
        lead(work, lock);
      } else if (ticket->changed.wait_until(lock, patience) == std::cv_status::timeout && !ticket->taken) {
        waiting_.remove(ticket);
        return copy_error(limits_.too_long);
      }
    }
    return std::move(*ticket->answer);
  }

  // Calls that no group has taken yet.
  std::size_t waiting() const {
    const std::lock_guard lock{mutex_};
    return waiting_.size();
  }

 private:
  struct Ticket {
    explicit Ticket(Question q) : question(std::move(q)) {}
    Question question;
    bool taken = false;  // by a group
    std::optional<Result<Answer>> answer;
    std::condition_variable changed;
  };

  // Nothing here may throw: whoever is taken waits for an answer.
  void lead(const Work& work, std::unique_lock<std::mutex>& lock) {
    std::list<std::shared_ptr<Ticket>> group;
    while (!waiting_.empty() && group.size() < limits_.largest_group) {
      waiting_.front()->taken = true;
      group.splice(group.end(), waiting_, waiting_.begin());
    }
    if (++groups_ < limits_.at_once) wake_leader();
    lock.unlock();
    auto answers = no_throw([&] {
      std::vector<Question> questions;
      for (const auto& ticket : group) questions.push_back(std::move(ticket->question));
      return work(std::move(questions));
    });
    lock.lock();
    std::size_t next = 0;
    for (const auto& ticket : group) {
      ticket->answer = answers.ok() ? std::move((*answers)[next++]) : Result<Answer>{copy_error(answers.error())};
      ticket->changed.notify_one();
    }
    --groups_;
    wake_leader();
  }

  void wake_leader() {
    if (!waiting_.empty()) waiting_.front()->changed.notify_one();
  }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Ticket>> waiting_;  // guarded by mutex_
  std::size_t groups_ = 0;                      // under way; guarded by mutex_
};

}  // namespace muster
