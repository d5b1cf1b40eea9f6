// SPDX-License-Identifier: Apache-2.0
#include "cli/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "cli/reasons.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxOutput = 1u << 20;

// Between fork and exec of a process with threads only async-signal-safe calls are allowed: everything is prepared.
struct Prepared {
  std::vector<char*> arguments;
  const ChildSpec* spec;
  int output;
  int null_input;
  pid_t parent;
};

[[noreturn]] void become(const Prepared& prepared) {
  const ChildSpec& spec = *prepared.spec;
  setpgid(0, 0);
  dup2(prepared.null_input, STDIN_FILENO);
  dup2(prepared.output, STDOUT_FILENO);
  dup2(prepared.output, STDERR_FILENO);
  if (spec.run_as_user) {
    const gid_t group = spec.run_as_group;
    if (setgroups(1, &group) != 0 || setgid(group) != 0 || setuid(*spec.run_as_user) != 0) _exit(126);
  }
  // After setuid: changing the user clears it.
  prctl(PR_SET_PDEATHSIG, spec.signal_when_orphaned);
  if (getppid() != prepared.parent) _exit(127);  // the parent died before prctl
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (!spec.working_folder.empty() && chdir(spec.working_folder.c_str()) != 0) _exit(126);
  execv(prepared.arguments[0], prepared.arguments.data());
  _exit(127);
}

Error start_failed(const ChildSpec& spec, const std::string& step) {
  return Error{ErrorCode::kUnavailable, kChildStartFailed,
               "cannot start " + spec.arguments.front() + ": " + step + ": " + std::strerror(errno)};
}

int wait_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Collects output until the pipe closes or the deadline passes; true when it closed.
bool collect(int fd, std::chrono::steady_clock::time_point deadline, std::string& output) {
  char buffer[4096];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got < 0 && errno != EAGAIN && errno != EINTR) return true;
    if (got > 0 && output.size() < kMaxOutput) output.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<ChildProcess> start_child(const ChildSpec& spec) {
  if (access(spec.arguments.front().c_str(), X_OK) != 0) return start_failed(spec, "not executable");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return start_failed(spec, "pipe");
  UniqueFd output(ends[0]);
  UniqueFd child_output(ends[1]);
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  UniqueFd null_input(open("/dev/null", O_RDONLY | O_CLOEXEC));

  Prepared prepared{{}, &spec, child_output.get(), null_input.get(), getpid()};
  for (const std::string& argument : spec.arguments) {
    prepared.arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  prepared.arguments.push_back(nullptr);

  const pid_t pid = fork();
  if (pid < 0) return start_failed(spec, "fork");
  if (pid == 0) become(prepared);
  setpgid(pid, pid);  // also here: whoever is first
  return ChildProcess{pid, std::move(output)};
}

Result<FinishedProgram> run_program(const ChildSpec& spec, std::chrono::milliseconds limit) {
  MUSTER_TRY(ChildProcess child, start_child(spec));
  FinishedProgram finished;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  finished.timed_out = !collect(child.output.get(), deadline, finished.output);
  if (finished.timed_out) kill(-child.pid, SIGKILL);
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  finished.exit_status = wait_status(status);
  return finished;
}

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(std::string(path ? path : "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

}  // namespace muster::cli
