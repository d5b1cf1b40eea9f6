// SPDX-License-Identifier: Apache-2.0
//
// Purpose: children of a test. A child never outlives its test: it is killed by the destructor, and by the kernel when
// the thread that spawned it dies (PR_SET_PDEATHSIG), so spawn from the main thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace muster::test_support {

struct SpawnOptions {
  std::vector<std::string> command;      // command[0] is looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to this process's own
  std::string output_file;               // standard output and error; empty: inherited
  std::string run_as;                    // user name, only when this process is root; empty: the same user
  int death_signal = 9;                  // sent when the parent dies
};

// ExitStatus is what waitpid said: `code` of an exit, or `signal` of a kill.
struct ExitStatus {
  int code = -1;
  int signal = 0;
  bool success() const { return signal == 0 && code == 0; }
};

// ChildProcess owns one child. Move-only. Throws std::runtime_error where the child cannot be started; a command that
// does not exist exits with code 127. Thread-compatible.
class ChildProcess {
 public:
  static ChildProcess spawn(const SpawnOptions& options);
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // SIGKILL and wait

  pid_t pid() const { return pid_; }  // -1 when there is no child
  bool running();
  void send(int signal);
  // wait returns nullopt when the child still runs at the deadline.
  std::optional<ExitStatus> wait(std::chrono::milliseconds deadline);
  // stop sends SIGTERM, and SIGKILL when the deadline passes; returns how the child ended.
  ExitStatus stop(std::chrono::milliseconds deadline = std::chrono::seconds(10));

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<ExitStatus> ended_;
};

// run spawns, waits and returns the exit status; past the deadline the child is killed (signal 9).
ExitStatus run(const SpawnOptions& options, std::chrono::milliseconds deadline = std::chrono::seconds(60));

}  // namespace muster::test_support
