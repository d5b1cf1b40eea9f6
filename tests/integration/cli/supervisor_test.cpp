// SPDX-License-Identifier: Apache-2.0
#include "cli/supervisor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace muster::cli {
namespace {

using namespace std::chrono_literals;

template <typename Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = 10s) {
  for (const auto deadline = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < deadline;) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return condition();
}

// A process that is gone, or only waits to be reaped by somebody else.
bool is_gone(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return true;
  return text.substr(text.rfind(')') + 2, 1) == "Z";
}

Service shell(const std::string& name, const std::string& script) {
  Service service;
  service.name = name;
  service.child.arguments = {"/bin/sh", "-c", script};
  return service;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    char name[] = "/tmp/muster-supervisor-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~SupervisorTest() override { std::filesystem::remove_all(folder_); }

  // Runs the supervisor in this thread while `script` runs beside it.
  int supervise(const std::function<void(Supervisor&)>& script) {
    Supervisor supervisor(folder_, Verbosity::kWarnings);
    std::jthread beside([&] {
      script(supervisor);
      supervisor.request_stop(7);
    });
    return supervisor.run([] {});
  }
  std::string folder_;
};

TEST_F(SupervisorTest, StartsAServiceAndStopsItAtTheEnd) {
  pid_t pid = -1;
  const int status = supervise([&](Supervisor& supervisor) {
    ASSERT_TRUE(supervisor.start(shell("one", "exec sleep 600")).ok());
    pid = supervisor.pid_of("one");
  });
  EXPECT_EQ(status, 7);
  ASSERT_GT(pid, 0);
  EXPECT_TRUE(is_gone(pid));
}

TEST_F(SupervisorTest, RestartsAServiceThatWasKilled) {
  supervise([&](Supervisor& supervisor) {
    ASSERT_TRUE(supervisor.start(shell("one", "exec sleep 600")).ok());
    const pid_t first = supervisor.pid_of("one");
    kill(first, SIGKILL);
    EXPECT_TRUE(eventually([&] { return supervisor.pid_of("one") > 0 && supervisor.pid_of("one") != first; }));
    EXPECT_EQ(supervisor.unexpected_exits("one"), 1);
  });
}

TEST_F(SupervisorTest, WaitsLongerBeforeEachRestart) {
  const auto started = std::chrono::steady_clock::now();
  supervise([&](Supervisor& supervisor) {
    ASSERT_TRUE(supervisor.start(shell("failing", "exit 3")).ok());
    EXPECT_TRUE(eventually([&] { return supervisor.unexpected_exits("failing") >= 4; }));
  });
  // 200 + 400 + 800 ms lie between four runs.
  EXPECT_GE(std::chrono::steady_clock::now() - started, 1'400ms);
}

TEST_F(SupervisorTest, StopsServicesInTheReverseOrderOfTheirStart) {
  const std::string order = folder_ + "/order";
  const auto noting = [&](const std::string& name) {
    return shell(name,
                 "trap 'echo " + name + " >>" + order + "; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
  };
  supervise([&](Supervisor& supervisor) {
    for (const char* name : {"first", "second", "third"}) {
      ASSERT_TRUE(supervisor.start(noting(name)).ok());
      EXPECT_TRUE(eventually([&] { return supervisor.last_line_of(name) == "ready"; }));
    }
  });
  EXPECT_EQ(text_of(order), "third\nsecond\nfirst\n");
}

TEST_F(SupervisorTest, KillsAServiceThatDoesNotStop) {
  pid_t pid = -1;
  supervise([&](Supervisor& supervisor) {
    Service stubborn = shell("stubborn", "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    stubborn.stop_limit = 300ms;
    ASSERT_TRUE(supervisor.start(std::move(stubborn)).ok());
    EXPECT_TRUE(eventually([&] { return supervisor.last_line_of("stubborn") == "ready"; }));
    pid = supervisor.pid_of("stubborn");
  });
  ASSERT_GT(pid, 0);
  EXPECT_TRUE(is_gone(pid));
}

TEST_F(SupervisorTest, KeepsEveryLineInTheLogFile) {
  supervise([&](Supervisor& supervisor) {
    ASSERT_TRUE(supervisor.start(shell("talking", "echo out; echo err >&2; exec sleep 600")).ok());
    EXPECT_TRUE(eventually([&] { return supervisor.last_line_of("talking") == "err"; }));
  });
  EXPECT_EQ(text_of(folder_ + "/talking.log"), "out\nerr\n");
}

TEST_F(SupervisorTest, SaysWhenAProgramCannotBeStarted) {
  supervise([&](Supervisor& supervisor) {
    Service missing = shell("missing", "");
    missing.child.arguments = {"/nonexistent/program"};
    const auto started = supervisor.start(std::move(missing));
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().reason, "child.start_failed");
  });
}

TEST_F(SupervisorTest, LeavesNobodyBehindWhenItIsKilled) {
  const std::string note = folder_ + "/pid";
  const pid_t supervisor_pid = fork();
  ASSERT_GE(supervisor_pid, 0);
  if (supervisor_pid == 0) {
    supervise([&](Supervisor& supervisor) {
      (void)supervisor
          .start(shell("one", "echo $$ >" + note + ".new; mv " + note + ".new " + note + "; exec sleep 600"))
          .ok();
      std::this_thread::sleep_for(600s);  // until the test kills this process
    });
    _exit(0);
  }
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(note); }));
  const pid_t child = static_cast<pid_t>(std::atoi(text_of(note).c_str()));
  kill(supervisor_pid, SIGKILL);
  waitpid(supervisor_pid, nullptr, 0);

  ASSERT_GT(child, 0);
  EXPECT_TRUE(eventually([&] { return is_gone(child); }));
}

}  // namespace
}  // namespace muster::cli
