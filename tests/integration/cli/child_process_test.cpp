// SPDX-License-Identifier: Apache-2.0
#include "cli/child_process.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

using namespace std::chrono_literals;

Result<FinishedProgram> shell(const std::string& script, std::chrono::milliseconds limit) {
  ChildSpec spec;
  spec.arguments = {"/bin/sh", "-c", script};
  return run_program(spec, limit);
}

TEST(RunProgram, ReturnsStatusAndBothOutputs) {
  const auto done = shell("echo out; echo err >&2; exit 3", 10s);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->exit_status, 3);
  EXPECT_EQ(done->output, "out\nerr\n");
  EXPECT_FALSE(done->timed_out);
}

TEST(RunProgram, KillsWhatTakesTooLong) {
  const auto started = std::chrono::steady_clock::now();
  const auto done = shell("echo begun; sleep 600", 300ms);
  ASSERT_TRUE(done.ok());
  EXPECT_TRUE(done->timed_out);
  EXPECT_EQ(done->output, "begun\n");
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
}

TEST(RunProgram, GivesAnEmptyStandardInput) {
  const auto done = shell("cat; echo end", 10s);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->output, "end\n");
}

TEST(RunProgram, SaysWhichProgramIsMissing) {
  ChildSpec spec;
  spec.arguments = {"/nonexistent/program"};
  const auto done = run_program(spec, 1s);
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().detail.find("/nonexistent/program"), std::string::npos);
}

TEST(FindProgram, KnowsTheFoldersOfSystemPrograms) {
  EXPECT_TRUE(find_program("sh").has_value());
  EXPECT_FALSE(find_program("no-program-has-this-name").has_value());
}

}  // namespace
}  // namespace muster::cli
