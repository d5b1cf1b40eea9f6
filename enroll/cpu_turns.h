// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace muster::enroll {

// CpuTurns lets as many groups verify or sign at once as the process has cores. Without it groups share the cores,
// reach the database together and wait for it together, and cores and database take turns instead of working at once.
// Thread-safe; who waits longest comes first, and who signs before who verifies: it is nearer to its end.
class CpuTurns {
 public:
  enum class Work : std::uint8_t { kVerify, kSign };

  // Turn ends when it is destroyed. Nothing that waits for another group may be done in it.
  class Turn {
   public:
    Turn(CpuTurns& turns, Work work);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    CpuTurns& turns_;
  };

  static CpuTurns& of_process();

 private:
  struct Line {  // those who wait for one kind of work
    std::uint64_t next_ticket = 0;
    std::uint64_t served = 0;
    bool empty() const { return next_ticket == served; }
  };
  bool may_start(Work work, std::uint64_t ticket) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  Line verify_;  // guarded by mutex_, as all below
  Line sign_;
  std::size_t working_ = 0;
};

}  // namespace muster::enroll
