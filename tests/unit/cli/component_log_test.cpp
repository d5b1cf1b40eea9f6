// SPDX-License-Identifier: Apache-2.0
#include "cli/component_log.h"

#include <gtest/gtest.h>

namespace muster::cli {
namespace {

TEST(RenderLogLine, TurnsAJsonEventIntoOneLine) {
  const std::string line = render_log_line(
      "server", R"({"time":"t","level":"info","component":"server","message":"device enrolled","device":"a/b","n":3})",
      Verbosity::kEvents);
  EXPECT_NE(line.find("server    device enrolled device=a/b n=3"), std::string::npos) << line;
}

TEST(RenderLogLine, FindsTheEventInALineOfTheBroker) {
  const std::string line =
      render_log_line("broker", R"(1700000000: {"level":"warning","message":"connect refused"})", Verbosity::kWarnings);
  EXPECT_NE(line.find("warning connect refused"), std::string::npos) << line;
}

TEST(RenderLogLine, HidesEventsWhenOnlyWarningsAreWanted) {
  EXPECT_EQ(render_log_line("x", R"({"level":"info","message":"m"})", Verbosity::kWarnings), "");
  EXPECT_EQ(render_log_line("x", R"({"level":"debug","message":"m"})", Verbosity::kEvents), "");
}

TEST(RenderLogLine, ShowsTroubleOfProgramsThatWriteText) {
  EXPECT_NE(render_log_line("postgres", "2026-11-22 17:00:00 UTC [7] PANIC:  no space left", Verbosity::kWarnings), "");
  EXPECT_NE(render_log_line("broker", "Error: Unable to load auth plugin", Verbosity::kWarnings), "");
  EXPECT_EQ(render_log_line("postgres", "[7] FATAL:  the database system is starting up", Verbosity::kEvents), "");
  EXPECT_EQ(render_log_line("broker", "New connection from 127.0.0.1", Verbosity::kEvents), "");
}

TEST(RenderLogLine, LetsNoControlCharacterReachTheTerminal) {
  const std::string line =
      render_log_line("x", "{\"level\":\"error\",\"message\":\"m\",\"topic\":\"a\\u001b[2Jb\"}", Verbosity::kEvents);
  EXPECT_EQ(line.find('\033'), std::string::npos);
}

}  // namespace
}  // namespace muster::cli
