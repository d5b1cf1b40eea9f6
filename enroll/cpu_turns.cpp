// SPDX-License-Identifier: Apache-2.0
#include "enroll/cpu_turns.h"

#include <algorithm>
#include <thread>

namespace muster::enroll {

CpuTurns& CpuTurns::of_process() {
  static CpuTurns turns;
  return turns;
}

bool CpuTurns::may_start(Work work, std::uint64_t ticket) const {
  // Asked each time: an administrator may give a running process more or fewer cores.
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  if (working_ >= cores) return false;
  if (work == Work::kSign) return sign_.served == ticket;
  return sign_.empty() && verify_.served == ticket;
}

CpuTurns::Turn::Turn(CpuTurns& turns, Work work) : turns_(turns) {
  std::unique_lock lock{turns_.mutex_};
  Line& line = work == Work::kSign ? turns_.sign_ : turns_.verify_;
  const std::uint64_t ticket = line.next_ticket++;
  turns_.changed_.wait(lock, [&] { return turns_.may_start(work, ticket); });
  ++line.served;
  ++turns_.working_;
  turns_.changed_.notify_all();
}

CpuTurns::Turn::~Turn() {
  const std::lock_guard lock{turns_.mutex_};
  --turns_.working_;
  turns_.changed_.notify_all();
}

}  // namespace muster::enroll
