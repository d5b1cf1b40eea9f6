// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/edge_join.h"
#include "cli/output.h"
#include "cli/program_signals.h"
#include "core/file.h"
#include "edge/agent/edge_agent.h"

namespace muster::cli {
namespace {

struct EdgeOptions {
  ServerOptions server;
  std::string config;
  bool check_only = false;
  std::string name;
  std::vector<std::string> tenants;
  std::vector<std::string> broker_names;
  EdgeJoinRequest join;
  std::string join_token_file;
};

Result<edge::EdgeConfig> load(const std::string& path) {
  MUSTER_TRY(ConfigFile file, ConfigFile::load(path));
  edge::EdgeConfig out;
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  auto keep_seconds = static_cast<std::int64_t>(out.wal_keep_seconds);
  auto keep_bytes = static_cast<std::int64_t>(out.wal_keep_bytes);
  auto keep_free_bytes = static_cast<std::int64_t>(out.wal_keep_free_bytes);
  auto poll_wait_ms = static_cast<std::int64_t>(out.poll_wait_ms);
  file.required("server_url", out.server_url);
  file.required_path("snapshot_folder", out.snapshot_folder);
  file.required_path("wal_folder", out.wal_folder);
  file.optional("metrics_listen", out.metrics_listen);
  file.optional_path("plugin_metrics_file", out.plugin_metrics_file);
  file.optional("wal_keep_seconds", keep_seconds, 0, kMost);
  file.optional("wal_keep_bytes", keep_bytes, 0, kMost);
  file.optional("wal_keep_free_bytes", keep_free_bytes, 0, kMost);
  file.optional("poll_wait_ms", poll_wait_ms, 100, 30'000);
  file.required_path("tls.certificate_file", out.certificate_file);
  file.required_path("tls.key_file", out.key_file);
  file.required_path("tls.infrastructure_root_file", out.infrastructure_root_file);
  file.required("log.database_url", out.database_url);
  out.more_brokers.resize(file.tables("broker"));
  for (std::size_t i = 0; i < out.more_brokers.size(); ++i) {
    const std::string broker = "broker[" + std::to_string(i) + "].";
    file.required_path(broker + "wal_folder", out.more_brokers[i].wal_folder);
    file.optional_path(broker + "plugin_metrics_file", out.more_brokers[i].plugin_metrics_file);
  }
  MUSTER_TRY_VOID(file.finish());
  out.wal_keep_seconds = static_cast<std::uint64_t>(keep_seconds);
  out.wal_keep_bytes = static_cast<std::uint64_t>(keep_bytes);
  out.wal_keep_free_bytes = static_cast<std::uint64_t>(keep_free_bytes);
  out.poll_wait_ms = static_cast<std::uint64_t>(poll_wait_ms);
  MUSTER_TRY_VOID(edge::check(out));
  return out;
}

int run_program(const EdgeOptions& options) {
  if (options.config.empty()) return complain("--config FILE is missing, see docs/config/edge.toml");
  const auto config = load(options.config);
  if (!config.ok()) return complain(config.error());
  if (options.check_only) {
    say("the configuration is good");
    return 0;
  }
  const ProgramSignals signals;
  std::stop_source stop;
  std::jthread waiting([&] {
    signals.wait();
    stop.request_stop();
  });
  const auto outcome = edge::run_edge(*config, stop.get_token());
  if (outcome.ok()) return 0;
  const int status = complain(outcome.error());
  // The thread waits for a signal that nobody will send: the process ends without it.
  std::_Exit(status);
}

int join(EdgeOptions& options) {
  const auto token = read_secret_file(options.join_token_file, 4096);
  if (!token.ok()) return complain(token.error());
  options.join.join_token.assign(token->view().begin(), token->view().end());
  while (!options.join.join_token.empty() && options.join.join_token.back() == '\n') options.join.join_token.pop_back();
  const auto joined = join_edge(options.join);
  if (!joined.ok()) return complain(joined.error());
  say("joined as edge " + joined->edge_id + "; keys and certificates are in " + options.join.folder);
  say("database role " + joined->database_role + ", password in " + joined->password_file +
      " (use it as passfile= in log.database_url)");
  return 0;
}

void declare_join(Command& edge, const std::shared_ptr<EdgeOptions>& options) {
  Command command = edge.add_command("join", "make this host an edge with a join token");
  command.required("--server", options->join.server_url, "https://host:port of the REST listener");
  command.required("--ca-file", options->join.infrastructure_root_file, "PEM of the infrastructure root");
  command.required("--join-token-file", options->join_token_file,
                   "file with the token that `muster edge create` showed");
  command.required("--out", options->join.folder, "folder for keys and certificates");
  command.flag("--without-broker-certificate", options->join.without_broker_certificate,
               "for an edge created without --broker-name: its broker has a certificate of its own");
  command.run([options] { return join(*options); });
}

}  // namespace

void declare_edge(Command& root) {
  auto options = std::make_shared<EdgeOptions>();
  Command edge = root.add_command("edge", "the program on a broker's host; and create, join, list, revoke edges");
  edge.option("--config", options->config, "TOML file, see docs/config/edge.toml")
      .flag("--check-config", options->check_only, "check the file and end");
  declare_join(edge, options);

  Command create = edge.add_command("create", "announce an edge; shows its one-time join token");
  create.required("name", options->name, "edge");
  create.options("--tenant", options->tenants, "only these tenants; may be repeated; default: all");
  create.options("--broker-name", options->broker_names,
                 "DNS name or address that its broker's certificate may carry; may be repeated; none: no certificate");
  run_with_session(create, options->server, [options](ApiSession& api) {
    nlohmann::json body{{"name", options->name}};
    if (!options->tenants.empty()) body["tenants"] = options->tenants;
    if (!options->broker_names.empty()) body["broker_names"] = options->broker_names;
    return print_object(api.call("POST", "/v1/edges", body));
  });

  Command list = edge.add_command("list", "list edges");
  run_with_session(list, options->server, [](ApiSession& api) {
    return print_list(api.list("/v1/edges"), {"name", "status", "created_at", "id"});
  });

  Command revoke = edge.add_command("revoke", "revoke an edge's certificates, database role and WAL at once");
  revoke.required("name", options->name, "edge");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", "/v1/edges/" + http::percent_encode(options->name), nullptr));
  });
  edge.run([options] { return run_program(*options); });
}

}  // namespace muster::cli
