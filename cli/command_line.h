// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the command line as the subcommand files see it, so that the argument parser's header (slow to compile) is
// read in one place.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace muster::cli {

// Command is one subcommand while the command line is declared. The targets that options are bound to must outlive the
// parse: subcommand files keep them in a shared_ptr that `run` captures.
class Command {
 public:
  struct State;
  explicit Command(std::shared_ptr<State> state);

  Command add_command(const std::string& name, const std::string& help);
  // `name` is "--folder" for an option with a value, "name" for a positional argument.
  Command& option(const std::string& name, std::string& target, const std::string& help);
  Command& option(const std::string& name, long& target, const std::string& help);
  Command& options(const std::string& name, std::vector<std::string>& target, const std::string& help);
  Command& required(const std::string& name, std::string& target, const std::string& help);
  Command& flag(const std::string& name, bool& target, const std::string& help);
  // What the program does when this command is the innermost one named; the return value is the exit status. A command
  // with commands below it needs one of them unless it is given an action of its own, after they were added.
  void run(std::function<int()> action);

 private:
  std::shared_ptr<State> state_;
};

// run_command_line declares all commands through `declare`, parses and runs the chosen one. Exit status 2: the command
// line could not be understood.
int run_command_line(int argc, char** argv, const std::function<void(Command& root)>& declare);

}  // namespace muster::cli
