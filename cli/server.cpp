// SPDX-License-Identifier: Apache-2.0
#include <iterator>
#include <sstream>

#include "api/server.h"

#include "ca/key_store_config.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/local_authority.h"
#include "cli/output.h"
#include "cli/program_signals.h"
#include "cli/reasons.h"
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
  ca::KeyStoreKind key_store = ca::KeyStoreKind::kFile;
  std::optional<ca::Pkcs11Config> token;
  std::string infrastructure_root_file;
  std::int64_t database_connections = 24;
};

Result<void> take_address(const std::string& key, const std::string& text, api::ListenAddress& target) {
  MUSTER_TRY(const HostPort address, parse_host_port(key, text));
  target = {address.host, address.port};
  return {};
}

// [keys], as far as it is about a token.
struct KeyStoreOptions {
  std::string store = "file";
  ca::Pkcs11Config token;
  std::int64_t sessions = 8;

  void read(ConfigFile& file) {
    file.optional("keys.store", store);
    file.optional_path("keys.module", token.module);
    file.optional("keys.token_label", token.token_label);
    file.optional_path("keys.pin_file", token.pin_file);
    file.optional("keys.sessions", sessions, 1, 256);
  }

  // A token may be named beside the file store: for the keys that were made in it earlier.
  Result<void> apply(ServerFile& out) const {
    const auto kind = ca::parse_key_store_kind(store);
    if (!kind) return Error{ErrorCode::kInvalidArgument, kConfigInvalid, "keys.store: \"file\" or \"pkcs11\""};
    out.key_store = *kind;
    const bool named = !token.module.empty() || !token.token_label.empty() || !token.pin_file.empty();
    if (*kind == ca::KeyStoreKind::kFile && !named) return {};
    out.token = token;
    out.token->sessions = static_cast<std::size_t>(sessions);
    const auto checked = ca::check_config(*out.token);
    if (checked.ok()) return {};
    return Error{ErrorCode::kInvalidArgument, checked.error().reason, "keys: " + to_log_text(checked.error())};
  }
};

// "crl.example.com pki.example.org"
std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

Result<ServerFile> load(const std::string& path) {
  MUSTER_TRY(ConfigFile file, ConfigFile::load(path));
  ServerFile out;
  std::string public_url, rest, edges, plain;
  std::int64_t validity_days = 365;
  std::int64_t crl_shards = 1;
  file.required("trust_domain", out.server.trust_domain);
  file.required("public_url", public_url);
  file.required("plain_url", out.authority.plain_url);
  file.optional("device_validity_days", validity_days, 1, 36'500);
  file.optional("crl_shards", crl_shards, 1, 4'096);
  file.optional("crl_validity_seconds", out.authority.crl_validity_seconds, 3'600, 365 * 86'400);
  file.optional("ocsp_validity_seconds", out.authority.ocsp_validity_seconds, 300, 43'200);
  file.required("listen.rest", rest);
  file.required("listen.edges", edges);
  file.required("listen.plain", plain);
  file.required("database.url", out.server.database_url);
  file.optional("database.connections", out.database_connections, 2, 200);
  file.required_path("keys.kek_file", out.kek_file);
  file.optional_path("keys.blocked_keys_file", out.authority.blocked_keys_file);
  std::string crl_hosts;
  file.optional("external_crl.allowed_hosts", crl_hosts);
  file.optional("external_crl.allow_private_addresses", out.server.crl_fetching.allow_private_addresses);
  KeyStoreOptions keys;
  keys.read(file);
  file.required_path("tls.certificate_file", out.server.certificate_file);
  file.required_path("tls.key_file", out.server.key_file);
  file.optional_path("tls.infrastructure_root_file", out.infrastructure_root_file);
  MUSTER_TRY_VOID(file.finish());
  MUSTER_TRY_VOID(keys.apply(out));
  out.server.crl_fetching.allowed_hosts = words_of(crl_hosts);
  MUSTER_TRY_VOID(take_address("listen.rest", rest, out.server.rest));
  MUSTER_TRY_VOID(take_address("listen.edges", edges, out.server.edges));
  MUSTER_TRY_VOID(take_address("listen.plain", plain, out.server.plain));
  out.authority.trust_domain = out.server.trust_domain;
  out.authority.device_validity_seconds = validity_days * 86'400;
  out.authority.crl_shards = static_cast<std::uint32_t>(crl_shards);
  return out;
}

Result<std::unique_ptr<LocalAuthority>> open(const ServerFile& config) {
  MUSTER_TRY(auto ring, ca::KeyRing::load(config.kek_file));
  ca::KeyStoreConfig keys{std::move(ring)};
  keys.store = config.key_store;
  keys.token = config.token;
  db::PoolConfig pool_config;
  pool_config.url = config.server.database_url;
  pool_config.application_name = "muster server";
  pool_config.size = static_cast<std::size_t>(config.database_connections);
  auto local = std::make_unique<LocalAuthority>();
  MUSTER_TRY(local->pool, db::ConnectionPool::create(std::move(pool_config)));
  MUSTER_TRY(local->authority, enroll::RegistrationAuthority::create(config.authority, std::move(keys), *local->pool,
                                                                     local->clock, local->metrics));
  return local;
}

int run_server(const ServerFile& config) {
  const ProgramSignals signals;
  const auto local = open(config);
  if (!local.ok()) return complain(local.error());
  const auto server =
      api::Server::create(config.server, {*(*local)->pool, *(*local)->authority, (*local)->clock, (*local)->metrics});
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

Result<std::unique_ptr<LocalAuthority>> open_local_authority(const std::string& config_file) {
  MUSTER_TRY(const ServerFile config, load(config_file));
  return open(config);
}

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
