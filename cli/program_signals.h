// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace muster::cli {

// ProgramSignals makes SIGINT and SIGTERM something that one thread waits for. Make it first in main's thread: threads
// started later inherit the blocked signals, so none of them is interrupted.
class ProgramSignals {
 public:
  ProgramSignals();
  // Waits until one of them arrives and returns its number.
  int wait() const;

 private:
  sigset_t handled_;
};

}  // namespace muster::cli
