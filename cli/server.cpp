// SPDX-License-Identifier: Apache-2.0
#include "api/server.h"

#include "ca/key_store_config.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/output.h"
#include "cli/program_signals.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "db/connection_pool.h"
#include "enroll/registration_authority.h"

namespace muster::cli {
namespace {

struct ServerFile {
  api::ServerConfig server;
  enroll::RegistrationAuthorityConfig authority;
  std::string kek_file;
  std::string infrastructure_root_file;
  std::int64_t database_connections = 24;
};

Result<void> take_address(const std::string& key, const std::string& text, api::ListenAddress& target) {
  MUSTER_TRY(const HostPort address, parse_host_port(key, text));
  target = {address.host, address.port};
  return {};
}

Result<ServerFile> load(const std::string& path) {
  MUSTER_TRY(ConfigFile file, ConfigFile::load(path));
  ServerFile out;
  std::string public_url, rest, edges, plain;
  std::int64_t validity_days = 365;
  file.required("trust_domain", out.server.trust_domain);
  file.required("public_url", public_url);
  file.required("plain_url", out.authority.plain_url);
  file.optional("device_validity_days", validity_days, 1, 36'500);
  file.required("listen.rest", rest);
  file.required("listen.edges", edges);
  file.required("listen.plain", plain);
  file.required("database.url", out.server.database_url);
  file.optional("database.connections", out.database_connections, 2, 200);
  file.required_path("keys.kek_file", out.kek_file);
  file.required_path("tls.certificate_file", out.server.certificate_file);
  file.required_path("tls.key_file", out.server.key_file);
  file.optional_path("tls.infrastructure_root_file", out.infrastructure_root_file);
  MUSTER_TRY_VOID(file.finish());
  MUSTER_TRY_VOID(take_address("listen.rest", rest, out.server.rest));
  MUSTER_TRY_VOID(take_address("listen.edges", edges, out.server.edges));
  MUSTER_TRY_VOID(take_address("listen.plain", plain, out.server.plain));
  out.authority.trust_domain = out.server.trust_domain;
  out.authority.device_validity_seconds = validity_days * 86'400;
  return out;
}

int run_server(const ServerFile& config) {
  const ProgramSignals signals;
  auto kek = ca::KeyEncryptionKey::load(config.kek_file);
  if (!kek.ok()) return complain(kek.error());
  db::PoolConfig pool_config;
  pool_config.url = config.server.database_url;
  pool_config.application_name = "muster server";
  pool_config.size = static_cast<std::size_t>(config.database_connections);
  const auto pool = db::ConnectionPool::create(std::move(pool_config));
  if (!pool.ok()) return complain(pool.error());

  const SystemClock clock;
  MetricsRegistry metrics;
  const auto authority =
      enroll::RegistrationAuthority::create(config.authority, std::move(kek).value(), **pool, clock, metrics);
  if (!authority.ok()) return complain(authority.error());
  const auto server = api::Server::create(config.server, {**pool, **authority, clock, metrics});
  if (!server.ok()) return complain(server.error());
  (*server)->start();
  Log("server").info(
      "server started",
      {{"rest", (*server)->rest_port()}, {"edges", (*server)->edges_port()}, {"plain", (*server)->plain_port()}});
  signals.wait();
  (*server)->stop();
  Log("server").info("server stopped");
  return 0;
}

}  // namespace

void declare_server(Command& root) {
  struct ServerProgramOptions {
    std::string config;
    bool check_only = false;
  };
  auto options = std::make_shared<ServerProgramOptions>();
  Command command = root.add_command("server", "REST and CRLs; owns the registry and the signing keys");
  command.required("--config", options->config, "TOML file, see docs/config/server.toml");
  command.flag("--check-config", options->check_only, "check the file and end");
  command.run([options] {
    const auto config = load(options->config);
    if (!config.ok()) return complain(config.error());
    if (!options->check_only) return run_server(*config);
    say("the configuration is good");
    return 0;
  });
}

}  // namespace muster::cli
