// SPDX-License-Identifier: Apache-2.0
#include "cli/supervisor.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/output.h"
#include "cli/reasons.h"

namespace muster::cli {
namespace {

using Moment = std::chrono::steady_clock::time_point;
constexpr std::chrono::milliseconds kFirstDelay{200};
constexpr std::chrono::milliseconds kLongestDelay{10'000};
constexpr std::chrono::seconds kHealthyAfter{10};  // a run this long makes the next delay the first one again

Moment now() { return std::chrono::steady_clock::now(); }

}  // namespace

struct Supervisor::Running {
  Service service;
  ComponentLog log;
  ChildProcess process;
  bool wanted = true;
  int unexpected_exits = 0;
  Moment started{};
  Moment restart_at{};
  std::chrono::milliseconds delay = kFirstDelay;
};

struct Supervisor::Order {
  Service service;
  bool done = false;
  Result<void> result;
};

Supervisor::Supervisor(std::string log_folder, Verbosity verbosity)
    : log_folder_(std::move(log_folder)), verbosity_(verbosity) {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&handled, number);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Supervisor::~Supervisor() {
  close(signal_fd_);
  close(wake_fd_);
}

int Supervisor::run(const std::function<void()>& on_stop) {
  while (!stopping()) {
    poll_once(milliseconds_to_next_restart());
    restart_due();
  }
  on_stop();
  stop_all();
  const std::lock_guard lock(mutex_);
  return exit_status_;
}

Result<void> Supervisor::start(Service service) {
  auto order = std::make_shared<Order>();
  order->service = std::move(service);
  std::unique_lock lock(mutex_);
  orders_.push_back(order);
  eventfd_write(wake_fd_, 1);
  order_done_.wait(lock, [&] { return order->done || stop_requested_; });
  if (order->done) return order->result;
  return Error{ErrorCode::kUnavailable, kChildNotReady, "stopping"};
}

void Supervisor::request_stop(int exit_status) {
  const std::lock_guard lock(mutex_);
  if (!stop_requested_) exit_status_ = exit_status;
  stop_requested_ = true;
  order_done_.notify_all();
  eventfd_write(wake_fd_, 1);
}

bool Supervisor::stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_requested_;
}

Supervisor::Running* Supervisor::find(const std::string& name) const {
  for (const auto& running : services_) {
    if (running->service.name == name) return running.get();
  }
  return nullptr;
}

pid_t Supervisor::pid_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Running* running = find(name);
  return running ? running->process.pid : -1;
}

int Supervisor::unexpected_exits(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Running* running = find(name);
  return running ? running->unexpected_exits : 0;
}

std::string Supervisor::last_line_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Running* running = find(name);
  return running ? running->log.last_line() : std::string();
}

void Supervisor::poll_once(int limit_milliseconds) {
  std::vector<pollfd> waiting{{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  for (const auto& running : services_) {
    if (running->process.output) waiting.push_back({running->process.output.get(), POLLIN, 0});
  }
  if (poll(waiting.data(), waiting.size(), limit_milliseconds) <= 0) return;
  std::vector<int> ready;
  for (const pollfd& one : waiting) {
    if (one.revents != 0) ready.push_back(one.fd);
  }
  read_outputs(ready);
  handle_signals();
  take_orders();
}

void Supervisor::take_orders() {
  eventfd_t count = 0;
  eventfd_read(wake_fd_, &count);
  const std::lock_guard lock(mutex_);
  while (!orders_.empty() && !stop_requested_) {
    const std::shared_ptr<Order> order = orders_.front();
    orders_.pop_front();
    auto log = ComponentLog::open(log_folder_, order->service.name, verbosity_);
    if (log.ok()) {
      auto running =
          std::make_unique<Running>(Running{order->service, std::move(log).value(), {}, true, 0, {}, {}, {}});
      running->delay = kFirstDelay;
      auto process = start_child(running->service.child);
      if (process.ok()) {
        running->process = std::move(process).value();
        running->started = now();
        services_.push_back(std::move(running));
      } else {
        order->result = process.error();
      }
    } else {
      order->result = log.error();
    }
    order->done = true;
    order_done_.notify_all();
  }
}

void Supervisor::handle_signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) {
      reap();
    } else if (stopping()) {
      kill_now_ = true;
    } else {
      say("");
      say("stopping; press Ctrl-C again to stop at once");
      request_stop(0);
    }
  }
}

void Supervisor::read_outputs(const std::vector<int>& ready) {
  char buffer[16384];
  for (const auto& running : services_) {
    const int fd = running->process.output.get();
    if (std::find(ready.begin(), ready.end(), fd) == ready.end()) continue;
    const ssize_t got = read(fd, buffer, sizeof buffer);
    const std::lock_guard lock(mutex_);
    if (got > 0) running->log.take({buffer, static_cast<std::size_t>(got)});
    if (got == 0) running->process.output.reset();
  }
}

void Supervisor::take_last_output(Running& service) {
  char buffer[16384];
  for (ssize_t got = 0; (got = read(service.process.output.get(), buffer, sizeof buffer)) > 0;) {
    service.log.take({buffer, static_cast<std::size_t>(got)});
  }
  service.process.output.reset();
}

void Supervisor::reap() {
  const std::lock_guard lock(mutex_);
  for (const auto& running : services_) {
    int status = 0;
    if (running->process.pid <= 0 || waitpid(running->process.pid, &status, WNOHANG) != running->process.pid) continue;
    // Whatever it started itself goes with it.
    kill(-running->process.pid, SIGKILL);
    running->process.pid = -1;
    take_last_output(*running);
    if (!running->wanted) continue;
    ++running->unexpected_exits;
    if (now() - running->started > kHealthyAfter) running->delay = kFirstDelay;
    running->restart_at = now() + running->delay;
    say(bold(running->service.name) + " ended " +
        (WIFSIGNALED(status) ? "by signal " + std::to_string(WTERMSIG(status))
                             : "with status " + std::to_string(WEXITSTATUS(status))) +
        "; starting it again in " + std::to_string(running->delay.count()) + " ms (log: " + running->log.path() + ")");
    running->delay = std::min(running->delay * 2, kLongestDelay);
  }
}

int Supervisor::milliseconds_to_next_restart() const {
  auto least = std::chrono::milliseconds(1'000);
  for (const auto& running : services_) {
    if (running->process.pid > 0 || !running->wanted) continue;
    least = std::min(least, std::chrono::duration_cast<std::chrono::milliseconds>(running->restart_at - now()));
  }
  return static_cast<int>(std::max<long>(least.count(), 1));
}

void Supervisor::restart_due() {
  for (const auto& running : services_) {
    if (running->process.pid > 0 || !running->wanted || running->restart_at > now()) continue;
    launch(*running);
  }
}

void Supervisor::launch(Running& service) {
  auto process = start_child(service.service.child);
  const std::lock_guard lock(mutex_);
  service.started = now();
  if (process.ok()) {
    service.process = std::move(process).value();
    return;
  }
  service.restart_at = now() + service.delay;
  service.delay = std::min(service.delay * 2, kLongestDelay);
  complain(process.error());
}

void Supervisor::stop_all() {
  for (auto running = services_.rbegin(); running != services_.rend(); ++running) (*running)->wanted = false;
  for (auto running = services_.rbegin(); running != services_.rend(); ++running) stop_one(**running);
}

void Supervisor::stop_one(Running& service) {
  if (service.process.pid <= 0) return;
  const Moment deadline = now() + service.service.stop_limit;
  kill(service.process.pid, service.service.stop_signal);
  while (service.process.pid > 0) {
    poll_once(100);
    reap();
    // The check counts: the negative of "no process" would be process 1.
    if (service.process.pid > 0 && (kill_now_ || now() > deadline)) kill(-service.process.pid, SIGKILL);
  }
  poll_once(0);
}

}  // namespace muster::cli
