// SPDX-License-Identifier: Apache-2.0
#include "cli/deployment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/bootstrap.h"
#include "cli/deployment_config.h"
#include "cli/edge_join.h"
#include "cli/installed_files.h"
#include "cli/output.h"
#include "cli/reasons.h"
#include "core/unique_fd.h"

namespace muster::cli {
namespace {

constexpr std::chrono::seconds kReadyLimit{60};
constexpr std::chrono::milliseconds kPollInterval{20};

// Does one step and says that it is done, with how long it took.
Result<void> step(const std::string& done, const std::function<Result<void>()>& action) {
  const auto started = std::chrono::steady_clock::now();
  MUSTER_TRY_VOID(action());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  char text[32];
  std::snprintf(text, sizeof text, " (%.1f s)", took.count());
  say("  " + done + dim(text));
  return {};
}

bool port_accepts(std::uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// The installed mosquitto, or the one that is named for tests and for those who build their own.
std::optional<std::string> find_broker_program() {
  const char* chosen = std::getenv("MUSTER_MOSQUITTO");
  const std::string name = chosen != nullptr && *chosen != '\0' ? chosen : "mosquitto";
  if (name.find('/') == std::string::npos) return find_program(name);
  return access(name.c_str(), X_OK) == 0 ? std::optional(name) : std::nullopt;
}

}  // namespace

Result<void> Deployment::bring_up() {
  MUSTER_TRY_VOID(start_database());
  MUSTER_TRY_VOID(step("server      answers over TLS", [this] { return start_server(); }));
  MUSTER_TRY_VOID(join_edge_once());
  MUSTER_TRY_VOID(step("edge        has the identity snapshot", [this] { return start_edge(); }));
  MUSTER_TRY_VOID(step("worker      consumes the raw stream", [this] {
    return start_program("worker", {"worker", "--config", folder_.paths().at("config/worker.toml")});
  }));
  return step("broker      mosquitto with the Muster plugin accepts TLS", [this] { return start_broker(); });
}

ServerOptions Deployment::server_options() const {
  ServerOptions options;
  options.folder = folder_.paths().root();
  return options;
}

Result<void> Deployment::start_database() {
  MUSTER_TRY(const PrivatePostgres postgres, PrivatePostgres::find(folder_));
  MUSTER_TRY_VOID(step("PostgreSQL  answers on a private socket", [&] { return start_postgres(postgres); }));
  MUSTER_TRY_VOID(step("schema      is current", [&] { return migrate_database(postgres.url("postgres")); }));
  return step("keys        and certificates are in place", [&] {
    return initialise_deployment(folder_, {postgres.url("postgres"), postgres.url("muster_server"), kLocalTrustDomain,
                                           "http://127.0.0.1:" + std::to_string(folder_.ports().plain)});
  });
}

Result<void> Deployment::start_postgres(const PrivatePostgres& postgres) {
  MUSTER_TRY_VOID(postgres.prepare());
  MUSTER_TRY_VOID(supervisor_.start(postgres.service()));
  return postgres.wait_ready(supervisor_, kReadyLimit);
}

Result<void> Deployment::start_server() {
  MUSTER_TRY(const PrivatePostgres postgres, PrivatePostgres::find(folder_));
  MUSTER_TRY(const std::string edge_url, edge_database_url());
  MUSTER_TRY_VOID(write_configs(folder_, {postgres.url("muster_server"), postgres.url("muster_worker"), edge_url}));
  MUSTER_TRY_VOID(start_program("server", {"server", "--config", folder_.paths().at("config/server.toml")}));
  return wait_for_http("server", "https://127.0.0.1:" + std::to_string(folder_.ports().rest) + "/healthz");
}

Result<void> Deployment::join_edge_once() {
  const FolderPaths& paths = folder_.paths();
  const bool joined = access(paths.at("pki/edge.pem").c_str(), F_OK) == 0;
  // Joined before heartbeats were signed: once more.
  if (joined && access(paths.heartbeat_key().c_str(), F_OK) == 0) return {};
  return step("edge        joined: certificate, broker's certificate, database role", [this] { return join(); });
}

Result<void> Deployment::join() {
  const FolderPaths& paths = folder_.paths();
  MUSTER_TRY(ApiSession api, ApiSession::open(server_options()));
  // A join that was killed in the middle leaves an edge that never came: it is removed, its name is free again.
  (void)api.call("DELETE", "/v1/edges/local", nullptr).ok();
  const nlohmann::json edge{{"name", "local"},
                            {"broker_names", {"localhost", "127.0.0.1", std::string("*.") + kLocalTrustDomain}}};
  MUSTER_TRY(const nlohmann::json created, api.call("POST", "/v1/edges", edge));
  EdgeJoinRequest request;
  request.server_url = "https://127.0.0.1:" + std::to_string(folder_.ports().rest);
  request.infrastructure_root_file = paths.infrastructure_root();
  request.join_token = created.value("join_token", "");
  request.folder = paths.at("pki");
  const auto joined = join_edge(request);
  if (!joined.ok()) return joined.error();
  MUSTER_TRY(const PrivatePostgres postgres, PrivatePostgres::find(folder_));
  MUSTER_TRY(const std::string edge_url, edge_database_url());
  return write_configs(folder_, {postgres.url("muster_server"), postgres.url("muster_worker"), edge_url});
}

Result<void> Deployment::start_edge() {
  MUSTER_TRY_VOID(start_program("edge", {"edge", "--config", folder_.paths().at("config/edge.toml")}));
  return wait_for_http("edge", "http://127.0.0.1:" + std::to_string(folder_.ports().edge_metrics) + "/healthz");
}

// The role stands in the password file that the join wrote: "*:*:*:role:password". Empty before the join.
Result<std::string> Deployment::edge_database_url() const {
  const std::string file = folder_.paths().at("pki/edge.pgpass");
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  const std::size_t end = line.rfind(':');
  if (end == std::string::npos || end < 7) return std::string();
  MUSTER_TRY(const PrivatePostgres postgres, PrivatePostgres::find(folder_));
  return postgres.url(line.substr(6, end - 6)) + " passfile=" + quote_connection_value(file);
}

Result<void> Deployment::start_program(const std::string& name, const std::vector<std::string>& arguments) {
  Service service;
  service.name = name;
  service.child.arguments = {own_program()};
  service.child.arguments.insert(service.child.arguments.end(), arguments.begin(), arguments.end());
  return supervisor_.start(std::move(service));
}

Result<void> Deployment::start_broker() {
  const auto program = find_broker_program();
  if (!program) {
    return Error{ErrorCode::kFailedPrecondition, kProgramMissing,
                 "mosquitto is missing; run scripts/install-deps, or name another one in MUSTER_MOSQUITTO"};
  }
  Service service;
  service.name = "broker";
  service.child.arguments = {*program, "-c", folder_.paths().at("config/mosquitto.conf")};
  MUSTER_TRY_VOID(supervisor_.start(std::move(service)));
  return wait_for_port("broker", folder_.ports().mqtt);
}

Result<void> Deployment::start_devices(const std::string& tenant, const std::string& token_file, long count) {
  return start_program("devices", {"simulate", "--tenant", tenant, "--count", std::to_string(count), "--folder",
                                   folder_.paths().root(), "--token-file", token_file});
}

Result<void> Deployment::wait_until(const std::string& name, const std::function<bool()>& is_ready) const {
  const auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  const std::string log = folder_.paths().at("log/" + name + ".log");
  while (!is_ready()) {
    if (supervisor_.stopping()) return Error{ErrorCode::kUnavailable, kChildNotReady, "stopping"};
    // One restart may be bad luck (a port in TIME_WAIT); more are a fault that time does not mend.
    if (supervisor_.unexpected_exits(name) > 3 || std::chrono::steady_clock::now() > deadline) {
      return Error{ErrorCode::kUnavailable, kChildNotReady,
                   name + " does not come up; it said last: " + supervisor_.last_line_of(name) + " (log: " + log + ")"};
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return {};
}

Result<void> Deployment::wait_for_http(const std::string& name, const std::string& url) const {
  const std::size_t path = url.find('/', url.find("://") + 3);
  http::ClientConfig config;
  config.base_url = url.substr(0, path);
  config.connect_timeout = std::chrono::milliseconds(1'000);
  config.read_timeout = std::chrono::milliseconds(5'000);
  if (url.starts_with("https:")) config.ca_file = folder_.paths().infrastructure_root();
  MUSTER_TRY(http::Client client, http::Client::create(config));
  http::ClientRequest request;
  request.target = url.substr(path);
  return wait_until(name, [&] {
    const auto answer = client.send(request);
    return answer.ok() && answer->status == 200;
  });
}

Result<void> Deployment::wait_for_port(const std::string& name, std::uint16_t port) const {
  return wait_until(name, [port] { return port_accepts(port); });
}

}  // namespace muster::cli
