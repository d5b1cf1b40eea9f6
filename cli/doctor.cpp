// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ca/key_encryption_key.h"
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
#include "core/metrics.h"
#include "db/connection_pool.h"
#include "db/migrator.h"
#include "enroll/registration_authority.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

constexpr long kCertificateWarning = 14L * 86'400;  // seconds before a certificate's end
constexpr std::uintmax_t kDeepWal = 5ull << 30;     // octets: the edge keeps at most 4 GiB of what it has shipped
constexpr std::chrono::seconds kIntentAge{300};

struct Finding {
  std::string check;
  bool good = false;
  std::string detail;
};

struct DoctorOptions {
  std::string folder = ".muster";
  bool json = false;
};

std::string say_error(const Error& error) { return error.detail.empty() ? std::string(error.reason) : error.detail; }

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

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
  Finding finding{"database", false, ""};
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
  finding.good = missing == 0;
  finding.detail = missing == 0 ? "reachable, " + std::to_string(state->size()) + " migrations applied"
                                : std::to_string(missing) + " migrations are not applied: run muster migrate";
  return finding;
}

Finding check_page(const std::string& name, const std::string& base, const std::string& path,
                   const std::string& ca_file) {
  Finding finding{name, false, ""};
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
  finding.good = answer.ok() && answer->status == 200;
  finding.detail = base + path + ": " + (answer.ok() ? std::to_string(answer->status) : say_error(answer.error()));
  if (answer.ok() && !finding.good) finding.detail += " " + answer->body.substr(0, 200);
  return finding;
}

Finding check_broker(const FolderPaths& paths, const Ports& ports) {
  BrokerAddress broker;
  broker.port = ports.mqtt;
  broker.ca_file = paths.infrastructure_root();
  const auto outcome = check_broker_tls(mqtt_config(broker, {}));
  return {"broker", outcome.ok(), outcome.ok() ? "accepts TLS on " + local(ports.mqtt) : say_error(outcome.error())};
}

Finding check_wal(const FolderPaths& paths) {
  std::error_code fault;
  std::uintmax_t octets = 0;
  for (const auto& entry : fs::recursive_directory_iterator(paths.at("wal"), fault)) {
    if (entry.is_regular_file(fault)) octets += entry.file_size(fault);
  }
  const bool good = !fault && octets < kDeepWal;
  return {"wal", good,
          std::to_string(octets / (1u << 20)) + " MiB" + (good ? "" : ": is the edge shipping? see log/edge.log")};
}

Finding check_snapshot(const FolderPaths& paths) {
  std::error_code fault;
  auto newest = fs::file_time_type::min();
  for (const auto& entry : fs::directory_iterator(paths.snapshot(), fault)) {
    newest = std::max(newest, entry.last_write_time(fault));
  }
  if (newest == fs::file_time_type::min()) return {"snapshot", false, "there is none: the broker refuses everybody"};
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(fs::file_time_type::clock::now() - newest).count();
  // The edge writes a heartbeat after each answer of the server; these wait for at most half a minute.
  return {"snapshot", age < 180, "written " + std::to_string(age) + " s ago"};
}

Finding check_kek(const FolderPaths& paths) {
  const auto kek = ca::KeyEncryptionKey::load(paths.kek());
  return {"kek", kek.ok(), kek.ok() ? "readable by its owner only" : say_error(kek.error())};
}

Finding check_open_intents(const FolderPaths& paths) {
  Finding finding{"intents", false, ""};
  const auto url = database_url(paths, "muster_server");
  auto kek = ca::KeyEncryptionKey::load(paths.kek());
  if (!url.ok() || !kek.ok()) {
    finding.detail = say_error(url.ok() ? kek.error() : url.error());
    return finding;
  }
  db::PoolConfig pool_config;
  pool_config.url = *url;
  pool_config.application_name = "muster doctor";
  pool_config.size = 1;
  const auto pool = db::ConnectionPool::create(std::move(pool_config));
  const SystemClock clock;
  MetricsRegistry metrics;
  enroll::RegistrationAuthorityConfig config;
  config.trust_domain = kLocalTrustDomain;
  enroll::Caller doctor;
  doctor.role = enroll::CallerRole::kLocal;
  const auto authority =
      enroll::RegistrationAuthority::create(std::move(config), std::move(kek).value(), **pool, clock, metrics);
  const auto intents = authority.ok() ? (*authority)->list_open_intents(doctor, kIntentAge)
                                      : Result<std::vector<enroll::OpenIntent>>(authority.error());
  if (!intents.ok()) {
    finding.detail = say_error(intents.error());
    return finding;
  }
  finding.good = intents->empty();
  finding.detail = std::to_string(intents->size()) + " certificates were begun and never finished";
  for (const auto& intent : *intents) finding.detail += "; serial " + intent.serial_hex;
  return finding;
}

Finding check_certificate(const FolderPaths& paths, const std::string& name) {
  Finding finding{"certificate " + name, false, ""};
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
  finding.good = left > kCertificateWarning;
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
  findings.push_back(check_broker(paths, ports));
  findings.push_back(check_wal(paths));
  findings.push_back(check_kek(paths));
  findings.push_back(check_open_intents(paths));
  for (const char* name : {"server", "broker", "edge"}) findings.push_back(check_certificate(paths, name));
  return findings;
}

int diagnose(const DoctorOptions& options) {
  const FolderPaths paths(fs::absolute(options.folder).lexically_normal().string());
  const auto ports = read_ports(paths);
  if (!ports.ok()) {
    return complain("there is no `muster up` folder at \"" + options.folder + "\"; name it with --folder");
  }
  const std::vector<Finding> findings = examine(paths, *ports);
  const bool good = std::all_of(findings.begin(), findings.end(), [](const Finding& one) { return one.good; });
  if (options.json) {
    nlohmann::ordered_json out{{"healthy", good}, {"checks", nlohmann::ordered_json::array()}};
    for (const Finding& one : findings) {
      out["checks"].push_back({{"check", one.check}, {"good", one.good}, {"detail", one.detail}});
    }
    say(out.dump(2));
    return good ? 0 : 1;
  }
  for (const Finding& one : findings) {
    std::string name = one.check;
    name.resize(std::max<std::size_t>(name.size(), 20), ' ');
    say((one.good ? green("  ok   ") : red("  BAD  ")) + name + dim(one.detail));
  }
  return good ? 0 : 1;
}

}  // namespace

void declare_doctor(Command& root) {
  auto options = std::make_shared<DoctorOptions>();
  Command command =
      root.add_command("doctor", "say whether a deployment of `muster up` is healthy; exit status 0: yes");
  command.option("--folder", options->folder, "folder of `muster up`").flag("--json", options->json, "for programs");
  command.run([options] { return diagnose(*options); });
}

}  // namespace muster::cli
