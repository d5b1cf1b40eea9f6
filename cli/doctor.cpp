// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "ca/key_ring.h"
#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/deployment_config.h"
#include "cli/device_key.h"
#include "cli/installed_files.h"
#include "cli/mqtt_client.h"
#include "cli/output.h"
#include "cli/private_postgres.h"
#include "cli/reasons.h"
#include "cli/simulated_device.h"
#include "core/clock.h"
#include "core/file.h"
#include "db/migrator.h"
#include "edge/base_file.h"
#include "edge/snapshot_loader.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

constexpr long kCertificateWarning = 14L * 86'400;  // seconds before a certificate's end
constexpr std::size_t kMaxMetrics = 1u << 20;       // octets
constexpr std::chrono::seconds kSilentBroker{60};
constexpr std::uintmax_t kDeepWal = 5ull << 30;  // octets: the edge keeps at most 4 GiB of what it has shipped

// Exit statuses too, those that monitoring plugins use.
enum class Level { kOk = 0, kWarning = 1, kCritical = 2 };

struct Finding {
  std::string check;
  Level level = Level::kCritical;
  std::string detail;
};

struct DoctorOptions {
  ServerOptions server;
  bool json = false;
};

Level level(bool good) { return good ? Level::kOk : Level::kCritical; }

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kOk: return "ok";
    case Level::kWarning: return "warning";
    case Level::kCritical: return "critical";
  }
  return "critical";
}

std::string say_error(const Error& error) { return error.detail.empty() ? std::string(error.reason) : error.detail; }

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

// The value in a page of metrics, as it stands there.
std::optional<std::string> metric_value(std::string_view page, std::string_view name) {
  const std::string wanted = "\n" + std::string(name) + " ";
  const std::size_t line = page.find(wanted);
  if (line == std::string_view::npos) return std::nullopt;
  const std::string_view rest = page.substr(line + wanted.size());
  return std::string(rest.substr(0, rest.find('\n')));
}

// The database of a folder, as the folder's owner reaches it.
Result<std::string> database_url(const FolderPaths& paths, const std::string& user) {
  std::ifstream in(paths.at("run/socket-folder"));
  std::string folder;
  if (std::getline(in, folder)) {
    return "host=" + quote_connection_value(folder) + " port=5432 dbname=muster user=" + user;
  }
  return Error{ErrorCode::kNotFound, kFolderUnusable, "there is no `muster up` folder at " + paths.root()};
}

Finding check_database(const FolderPaths& paths) {
  Finding finding{"database", Level::kCritical, ""};
  const auto url = database_url(paths, "postgres");
  const auto folder = find_migrations_folder();
  if (!url.ok() || !folder.ok()) {
    finding.detail = say_error(url.ok() ? folder.error() : url.error());
    return finding;
  }
  auto migrations = db::read_migrations(*folder);
  if (!migrations.ok()) {
    finding.detail = say_error(migrations.error());
    return finding;
  }
  const auto state = db::Migrator(*url, std::move(migrations).value()).state();
  if (!state.ok()) {
    finding.detail = say_error(state.error());
    return finding;
  }
  const auto missing = std::count_if(state->begin(), state->end(), [](const auto& one) { return !one.applied; });
  finding.level = level(missing == 0);
  finding.detail = missing == 0 ? "reachable, " + std::to_string(state->size()) + " migrations applied"
                                : std::to_string(missing) + " migrations are not applied: run muster migrate";
  return finding;
}

Finding check_page(const std::string& name, const std::string& base, const std::string& path,
                   const std::string& ca_file) {
  Finding finding{name, Level::kCritical, ""};
  http::ClientConfig config;
  config.base_url = base;
  config.ca_file = ca_file;
  config.connect_timeout = std::chrono::milliseconds(2'000);
  config.read_timeout = std::chrono::milliseconds(5'000);
  auto client = http::Client::create(std::move(config));
  if (!client.ok()) {
    finding.detail = say_error(client.error());
    return finding;
  }
  http::ClientRequest request;
  request.target = path;
  const auto answer = client->send(request);
  const bool good = answer.ok() && answer->status == 200;
  finding.level = level(good);
  finding.detail = base + path + ": " + (answer.ok() ? std::to_string(answer->status) : say_error(answer.error()));
  if (answer.ok() && !good) finding.detail += " " + answer->body.substr(0, 200);
  return finding;
}

Finding check_broker(const FolderPaths& paths, const Ports& ports) {
  BrokerAddress broker;
  broker.port = ports.mqtt;
  broker.ca_file = paths.infrastructure_root();
  const auto outcome = check_broker_tls(mqtt_config(broker, {}));
  return {"broker", level(outcome.ok()),
          outcome.ok() ? "accepts TLS on " + local(ports.mqtt) : say_error(outcome.error())};
}

Finding check_wal(const FolderPaths& paths) {
  std::error_code fault;
  std::uintmax_t octets = 0;
  for (const auto& entry : fs::recursive_directory_iterator(paths.at("wal"), fault)) {
    if (entry.is_regular_file(fault)) octets += entry.file_size(fault);
  }
  const bool good = !fault && octets < kDeepWal;
  return {"wal", level(good),
          std::to_string(octets / (1u << 20)) + " MiB" + (good ? "" : ": is the edge shipping? see log/edge.log")};
}

Finding check_snapshot(const FolderPaths& paths) {
  std::error_code fault;
  auto newest = fs::file_time_type::min();
  for (const auto& entry : fs::directory_iterator(paths.snapshot(), fault)) {
    newest = std::max(newest, entry.last_write_time(fault));
  }
  if (newest == fs::file_time_type::min())
    return {"snapshot", Level::kCritical, "there is none: the broker refuses everybody"};
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(fs::file_time_type::clock::now() - newest).count();
  // The edge writes a heartbeat after each answer of the server; these wait for at most half a minute.
  return {"snapshot", level(age < 180), "written " + std::to_string(age) + " s ago"};
}

// The file as a broker would open it; its position, or what is wrong with it.
Finding check_base(const FolderPaths& paths) {
  const auto base = edge::BaseFile::open(edge::base_path(paths.snapshot()), geteuid());
  if (!base.ok()) return {"snapshot file", Level::kCritical, say_error(base.error())};
  return {"snapshot file", Level::kOk, "sound, at change " + std::to_string((*base)->position().number)};
}

// What the broker itself says of the snapshot that it was given last. It writes its page every second.
Finding check_broker_snapshot(const FolderPaths& paths) {
  Finding finding{"broker's snapshot", Level::kCritical, ""};
  const auto page = read_file(paths.plugin_metrics(), kMaxMetrics);
  if (!page.ok()) {
    finding.detail = say_error(page.error());
    return finding;
  }
  std::error_code fault;
  const auto written = fs::last_write_time(paths.plugin_metrics(), fault);
  const auto age = fs::file_time_type::clock::now() - written;
  const std::string_view text = as_text(*page);
  const auto failed = metric_value(text, "muster_broker_snapshot_failed");
  const auto number = metric_value(text, "muster_broker_snapshot_number");
  if (fault || age > kSilentBroker) {
    finding.detail = "the broker has said nothing for " +
                     std::to_string(std::chrono::duration_cast<std::chrono::seconds>(age).count()) + " s";
  } else if (!failed || !number) {
    finding.detail = "the broker says nothing of it in " + paths.plugin_metrics();
  } else {
    finding.level = level(failed == "0");
    finding.detail = "change " + *number + " is in force";
    if (failed != "0") {
      finding.detail += "; the broker refuses what came after it: see \"snapshot refused\" in log/broker.log";
    }
  }
  return finding;
}

Finding check_kek(const FolderPaths& paths) {
  const auto kek = ca::KeyRing::load(paths.kek());
  return {"kek", level(kek.ok()), kek.ok() ? "readable by its owner only" : say_error(kek.error())};
}

// What the server knows of the whole deployment: CAs, CRLs, certificates, edges, audit.
std::vector<Finding> ask_server(const ServerOptions& options) {
  auto session = ApiSession::open(options);
  const auto answer = session.ok() ? session->get("/v1/checks") : Result<nlohmann::json>(session.error());
  if (!answer.ok()) return {{"checks", Level::kCritical, say_error(answer.error())}};
  std::vector<Finding> findings;
  for (const nlohmann::json& one : answer->value("checks", nlohmann::json::array())) {
    const std::string status = one.value("status", "");
    const Level level = status == "ok" ? Level::kOk : status == "warning" ? Level::kWarning : Level::kCritical;
    findings.push_back({one.value("check", ""), level, one.value("detail", "")});
  }
  if (findings.empty()) findings.push_back({"checks", Level::kCritical, "the server's answer names no checks"});
  return findings;
}

Finding check_certificate(const FolderPaths& paths, const std::string& name) {
  Finding finding{"certificate " + name, Level::kCritical, ""};
  const auto content = read_file(paths.at("pki/" + name + ".pem"), 64 * 1024);
  if (!content.ok()) {
    finding.detail = say_error(content.error());
    return finding;
  }
  const auto end = certificate_not_after(std::string(content->begin(), content->end()));
  if (!end.ok()) {
    finding.detail = say_error(end.error());
    return finding;
  }
  const long left = *end - static_cast<long>(SystemClock().now().time_since_epoch().count());
  finding.level = left > kCertificateWarning ? Level::kOk : left > 0 ? Level::kWarning : Level::kCritical;
  finding.detail = "ends in " + std::to_string(left / 86'400) + " days";
  return finding;
}

std::vector<Finding> examine(const FolderPaths& paths, const Ports& ports) {
  const std::string root = paths.infrastructure_root();
  std::vector<Finding> findings;
  findings.push_back(check_database(paths));
  findings.push_back(check_page("server", "https://" + local(ports.rest), "/healthz", root));
  findings.push_back(check_page("server ready", "https://" + local(ports.rest), "/readyz", root));
  findings.push_back(check_page("edge", "http://" + local(ports.edge_metrics), "/healthz", ""));
  findings.push_back(check_page("worker", "http://" + local(ports.worker_metrics), "/healthz", ""));
  findings.push_back(check_snapshot(paths));
  findings.push_back(check_base(paths));
  findings.push_back(check_broker_snapshot(paths));
  findings.push_back(check_broker(paths, ports));
  findings.push_back(check_wal(paths));
  findings.push_back(check_kek(paths));
  for (const char* name : {"server", "broker", "edge"}) findings.push_back(check_certificate(paths, name));
  return findings;
}

Level worst_of(const std::vector<Finding>& findings) {
  Level worst = Level::kOk;
  for (const Finding& one : findings) worst = std::max(worst, one.level);
  return worst;
}

void print_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json out{{"status", to_string(worst_of(findings))}, {"checks", nlohmann::ordered_json::array()}};
  for (const Finding& one : findings) {
    out["checks"].push_back({{"check", one.check}, {"status", to_string(one.level)}, {"detail", one.detail}});
  }
  say(out.dump(2));
}

void print_lines(const std::vector<Finding>& findings) {
  for (const Finding& one : findings) {
    std::string name = one.check;
    name.resize(std::max<std::size_t>(name.size(), 20), ' ');
    const std::string mark = one.level == Level::kOk        ? green("  ok   ")
                             : one.level == Level::kWarning ? bold("  warn ")
                                                            : red("  BAD  ");
    say(mark + name + dim(one.detail));
  }
}

int diagnose(const DoctorOptions& options) {
  std::vector<Finding> findings;
  if (options.server.server.empty()) {
    const FolderPaths paths(fs::absolute(options.server.folder).lexically_normal().string());
    const auto ports = read_ports(paths);
    if (!ports.ok()) {
      complain("there is no `muster up` folder at \"" + options.server.folder +
               "\"; name it with --folder, or a server with --server");
      return static_cast<int>(Level::kCritical);
    }
    findings = examine(paths, *ports);
  }
  const auto known = ask_server(options.server);
  findings.insert(findings.end(), known.begin(), known.end());
  options.json ? print_json(findings) : print_lines(findings);
  return static_cast<int>(worst_of(findings));
}

}  // namespace

void declare_doctor(Command& root) {
  auto options = std::make_shared<DoctorOptions>();
  Command command = root.add_command(
      "doctor",
      "say whether a deployment is healthy; exit status 0: yes, 1: something needs care, 2: something is broken");
  add_server_options(command, options->server);
  command.flag("--json", options->json, "for programs");
  command.run([options] { return diagnose(*options); });
}

}  // namespace muster::cli
