// SPDX-License-Identifier: Apache-2.0
#include "cli/program_signals.h"

namespace muster::cli {

ProgramSignals::ProgramSignals() {
  sigemptyset(&handled_);
  sigaddset(&handled_, SIGINT);
  sigaddset(&handled_, SIGTERM);
  sigprocmask(SIG_BLOCK, &handled_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a peer that closes is an error of write, not our end
}

int ProgramSignals::wait() const {
  int number = 0;
  while (sigwait(&handled_, &number) != 0) {
  }
  return number;
}

}  // namespace muster::cli
