// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <thread>

#include "cli/commands.h"
#include "cli/deployment.h"
#include "cli/deployment_folder.h"
#include "cli/output.h"
#include "cli/supervisor.h"
#include "cli/tour.h"

namespace muster::cli {
namespace {

struct UpOptions {
  std::string folder = ".muster";
  bool tour = false;
  bool once = false;
  bool verbose = false;
  long devices = 10;
};

void say_where_things_are(const DeploymentFolder& folder) {
  const FolderPaths& paths = folder.paths();
  const std::string with_folder = " --folder '" + paths.root() + "'";
  say("");
  say(bold("Muster is up") + " in " + paths.root());
  say("  REST           https://127.0.0.1:" + std::to_string(folder.ports().rest));
  say("  CRL            http://127.0.0.1:" + std::to_string(folder.ports().plain));
  say("  MQTT over TLS  127.0.0.1:" + std::to_string(folder.ports().mqtt) + " (device certificate required)");
  say("  servers' root  " + paths.infrastructure_root());
  say("  admin token    " + paths.admin_token());
  say("  stream         muster stream tail normalized --tenant acme" + with_folder);
  say("  health         muster doctor" + with_folder);
  say("  logs           " + paths.at("log"));
}

// What happens beside the supervisor's loop: bring up, tour, and whether to end.
int direct(const UpOptions& options, const DeploymentFolder& folder, Supervisor& supervisor, bool& ends) {
  Deployment deployment(folder, supervisor);
  const auto up = deployment.bring_up();
  ends = true;
  if (supervisor.stopping()) return 0;
  if (!up.ok()) return complain(up.error());
  say_where_things_are(folder);
  if (options.tour) {
    const auto toured = Tour(folder, deployment, supervisor).run(options.devices);
    if (supervisor.stopping()) return 0;
    // A tour that went wrong ends the run only when nobody is there to look at it.
    if (!toured.ok()) complain(toured.error());
    if (options.once) return toured.ok() ? 0 : 1;
    say_where_things_are(folder);
  }
  ends = options.once;
  if (!ends) say("Ctrl-C stops everything.");
  return 0;
}

void direct_without_throwing(const UpOptions& options, const DeploymentFolder& folder, Supervisor& supervisor) {
  bool ends = true;
  int status = 1;
  try {
    status = direct(options, folder, supervisor, ends);
  } catch (const std::exception& failure) {  // the JSON reader, at an answer of an unexpected shape
    complain(std::string("unexpected failure: ") + failure.what());
  }
  if (ends) supervisor.request_stop(status);
}

int up(const UpOptions& options) {
  const auto folder = DeploymentFolder::open(options.folder);
  if (!folder.ok()) return complain(folder.error());
  const bool quiet = options.tour && !options.verbose;
  Supervisor supervisor(folder->paths().at("log"), quiet ? Verbosity::kWarnings : Verbosity::kEvents);
  say(bold("muster up") + " in " + folder->paths().root());
  std::jthread director([&] { direct_without_throwing(options, *folder, supervisor); });
  const int status = supervisor.run([] { say("stopping: devices, broker, worker, edge, server, PostgreSQL"); });
  director.join();
  folder->forget_socket_folder();
  say("stopped");
  return status;
}

}  // namespace

void declare_up(Command& root) {
  auto options = std::make_shared<UpOptions>();
  Command command = root.add_command("up", "run everything in one folder, with a private PostgreSQL and mosquitto");
  command.option("--folder", options->folder, "where everything of this deployment lies")
      .flag("--tour", options->tour, "two tenants, simulated devices, and the attempts to break in")
      .flag("--once", options->once, "end after bringing up (and after the tour); exit status 0: all went well")
      .flag("--verbose", options->verbose, "show every event during the tour as well")
      .option("--devices", options->devices, "how many devices the tour simulates");
  command.run([options] { return up(*options); });
}

}  // namespace muster::cli
