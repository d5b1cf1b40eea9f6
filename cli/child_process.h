// SPDX-License-Identifier: Apache-2.0
//
// Purpose: starts programs so that none outlives us: each has its own process group, and the kernel kills it when the
// thread that forked it ends, also when that happens by kill -9.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::cli {

struct ChildSpec {
  std::vector<std::string> arguments;  // [0] is the path of the program
  std::optional<uid_t> run_as_user;    // changes to this user and group first: for PostgreSQL, which refuses to be root
  gid_t run_as_group = 0;
  int signal_when_orphaned = SIGKILL;
  std::string working_folder;  // empty: ours
};

struct ChildProcess {
  pid_t pid = -1;
  UniqueFd output;  // its standard output and error; non-blocking
};

// start_child forks and executes. The child dies with the *calling thread* (PR_SET_PDEATHSIG): call it from a thread
// that lives as long as the child should. Reason: child.start_failed.
Result<ChildProcess> start_child(const ChildSpec& spec);

struct FinishedProgram {
  int exit_status = 0;  // 128 + signal when it was killed
  std::string output;   // of both streams, at most 1 MiB
  bool timed_out = false;
};

// run_program runs a program to its end, with nothing on its standard input; after `limit` it is killed.
// Reason: child.start_failed.
Result<FinishedProgram> run_program(const ChildSpec& spec, std::chrono::milliseconds limit);

// find_program looks in PATH and in the folders of system programs, which an ordinary user's PATH lacks on Debian.
std::optional<std::string> find_program(const std::string& name);

}  // namespace muster::cli
