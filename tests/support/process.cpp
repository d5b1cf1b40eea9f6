// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace muster::test_support {

namespace {

struct Account {
  uid_t uid;
  gid_t gid;
};

std::optional<Account> account_to_become(const std::string& name) {
  if (name.empty() || geteuid() != 0) {
    return std::nullopt;
  }
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) {
    throw std::runtime_error("no user " + name + " on this machine");
  }
  return Account{entry->pw_uid, entry->pw_gid};
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

// What the child does between fork and exec: async-signal-safe calls only, since the test may have threads.
[[noreturn]] void become(const std::optional<Account>& account, int output, int death_signal, pid_t parent, char** argv,
                         char** envp) {
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
  }
  if (account && (setgroups(0, nullptr) != 0 || setgid(account->gid) != 0 || setuid(account->uid) != 0)) {
    _exit(126);
  }
  // After setuid: a change of credentials clears it.
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (getppid() != parent) {
    _exit(126);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(argv[0], argv, envp);
  _exit(127);
}

std::optional<ExitStatus> reap(pid_t pid, int flags) {
  int status = 0;
  const pid_t reaped = waitpid(pid, &status, flags);
  if (reaped == 0) {
    return std::nullopt;
  }
  if (reaped < 0) {
    return ExitStatus{};
  }
  if (WIFSIGNALED(status)) {
    return ExitStatus{-1, WTERMSIG(status)};
  }
  return ExitStatus{WEXITSTATUS(status), 0};
}

}  // namespace

ChildProcess ChildProcess::spawn(const SpawnOptions& options) {
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = options.environment;  // first wins: ours shadow the inherited ones
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  std::vector<char*> argv = pointers(command);
  std::vector<char*> envp = pointers(environment);
  const std::optional<Account> account = account_to_become(options.run_as);
  int output = -1;
  if (!options.output_file.empty()) {
    output = open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (output < 0) {
      throw std::runtime_error("cannot open " + options.output_file + ": " + std::strerror(errno));
    }
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    become(account, output, options.death_signal, parent, argv.data(), envp.data());
  }
  if (output >= 0) {
    close(output);
  }
  if (pid < 0) {
    throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  }
  return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), ended_(std::move(other.ended_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(ended_, other.ended_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (running()) {
    kill(pid_, SIGKILL);
    reap(pid_, 0);
  }
}

bool ChildProcess::running() {
  if (pid_ > 0 && !ended_) {
    ended_ = reap(pid_, WNOHANG);
  }
  return pid_ > 0 && !ended_;
}

void ChildProcess::send(int signal) {
  if (running()) {
    kill(pid_, signal);
  }
}

std::optional<ExitStatus> ChildProcess::wait(std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (running()) {
    if (std::chrono::steady_clock::now() >= until) {
      return std::nullopt;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return ended_;
}

ExitStatus ChildProcess::stop(std::chrono::milliseconds deadline) {
  send(SIGTERM);
  if (auto ended = wait(deadline)) {
    return *ended;
  }
  send(SIGKILL);
  return wait(std::chrono::seconds(10)).value_or(ExitStatus{});
}

ExitStatus run(const SpawnOptions& options, std::chrono::milliseconds deadline) {
  ChildProcess child = ChildProcess::spawn(options);
  if (auto ended = child.wait(deadline)) {
    return *ended;
  }
  child.send(SIGKILL);
  return child.wait(std::chrono::seconds(10)).value_or(ExitStatus{});
}

}  // namespace muster::test_support
