// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keeps programs running: restarts them with exponential back-off, shows their lines, and stops them in the
// reverse order of their start. One thread (the one that runs `run`) forks, reads and reaps; it must be the process's
// main thread, because a child dies with the thread that forked it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/child_process.h"
#include "cli/component_log.h"
#include "core/result.h"

namespace muster::cli {

struct Service {
  std::string name;  // the component's name in the log
  ChildSpec child;
  int stop_signal = SIGTERM;
  std::chrono::milliseconds stop_limit{8'000};  // then SIGKILL
};

class Supervisor {
 public:
  // Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD in the calling thread, which must be the only one yet.
  Supervisor(std::string log_folder, Verbosity verbosity);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Confined to the main thread. Runs until stop is asked for by a signal or request_stop, then stops every service.
  // `on_stop` is called once when stopping begins. Returns the status given to request_stop, or 0 after a signal.
  int run(const std::function<void()>& on_stop);

  // Thread-safe. Hands the service to the main thread and returns when it was started once.
  // Reasons: child.start_failed, folder.unusable; child.not_ready when we are stopping.
  Result<void> start(Service service);
  // Thread-safe.
  void request_stop(int exit_status);
  bool stopping() const;
  // The process id of a running service, -1 otherwise. Thread-safe.
  pid_t pid_of(const std::string& name) const;
  // How often a service ended without being asked to. Thread-safe.
  int unexpected_exits(const std::string& name) const;
  std::string last_line_of(const std::string& name) const;

 private:
  struct Running;
  struct Order;
  void take_orders();
  void handle_signals();
  void read_outputs(const std::vector<int>& ready);
  void take_last_output(Running& service);
  void reap();
  void restart_due();
  int milliseconds_to_next_restart() const;
  void launch(Running& service);
  void poll_once(int limit_milliseconds);
  void stop_all();
  void stop_one(Running& service);
  Running* find(const std::string& name) const;

  const std::string log_folder_;
  const Verbosity verbosity_;
  int signal_fd_ = -1;
  int wake_fd_ = -1;

  mutable std::mutex mutex_;
  std::condition_variable order_done_;
  std::deque<std::shared_ptr<Order>> orders_;       // guarded by mutex_
  std::vector<std::unique_ptr<Running>> services_;  // written by the main thread under mutex_
  bool stop_requested_ = false;                     // guarded by mutex_
  bool kill_now_ = false;                           // main thread: a second Ctrl-C
  int exit_status_ = 0;                             // guarded by mutex_
};

}  // namespace muster::cli
