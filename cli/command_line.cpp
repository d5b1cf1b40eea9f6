// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <CLI/CLI.hpp>

namespace muster::cli {

struct Command::State {
  CLI::App* app;
  std::shared_ptr<std::function<int()>> chosen;
};

Command::Command(std::shared_ptr<State> state) : state_(std::move(state)) {}

Command Command::add_command(const std::string& name, const std::string& help) {
  CLI::App* sub = state_->app->add_subcommand(name, help);
  state_->app->require_subcommand(1);
  return Command(std::make_shared<State>(State{sub, state_->chosen}));
}

Command& Command::option(const std::string& name, std::string& target, const std::string& help) {
  state_->app->add_option(name, target, help)->capture_default_str();
  return *this;
}

Command& Command::option(const std::string& name, long& target, const std::string& help) {
  state_->app->add_option(name, target, help)->capture_default_str()->check(CLI::NonNegativeNumber);
  return *this;
}

Command& Command::options(const std::string& name, std::vector<std::string>& target, const std::string& help) {
  state_->app->add_option(name, target, help);
  return *this;
}

Command& Command::required(const std::string& name, std::string& target, const std::string& help) {
  state_->app->add_option(name, target, help)->required();
  return *this;
}

Command& Command::flag(const std::string& name, bool& target, const std::string& help) {
  state_->app->add_flag(name, target, help);
  return *this;
}

void Command::run(std::function<int()> action) {
  CLI::App* app = state_->app;
  if (!app->get_subcommands({}).empty()) app->require_subcommand(0, 1);
  // A command's callback runs after that of the subcommand which was named below it: that one stays chosen.
  app->callback([app, chosen = state_->chosen, action = std::move(action)] {
    if (app->get_subcommands().empty()) *chosen = action;
  });
}

int run_command_line(int argc, char** argv, const std::function<void(Command& root)>& declare) {
  CLI::App app{"Muster: certificates, identity and messages of fleets of devices", "muster"};
  app.set_version_flag("--version", std::string("muster ") + MUSTER_VERSION);
  auto chosen = std::make_shared<std::function<int()>>();
  Command root(std::make_shared<Command::State>(Command::State{&app, chosen}));
  declare(root);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return *chosen ? (*chosen)() : 2;
}

}  // namespace muster::cli
