// SPDX-License-Identifier: Apache-2.0
#include "cli/api_session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/deployment_folder.h"
#include "cli/output.h"
#include "cli/reasons.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxTokenFile = 4096;

void take_environment(std::string& target, const char* name) {
  const char* value = std::getenv(name);
  if (target.empty() && value != nullptr) target = value;
}

Result<std::string> read_token(const std::string& path) {
  MUSTER_TRY(const SecretBytes content, read_secret_file(path, kMaxTokenFile));
  std::string token(content.view().begin(), content.view().end());
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  return token;
}

// What the folder of a `muster up` says, for what nothing else said.
Result<void> complete_from_folder(ServerOptions& options) {
  if (!options.server.empty() && !options.token_file.empty()) return {};
  const FolderPaths paths(options.folder);
  if (options.token_file.empty()) options.token_file = paths.admin_token();
  if (options.ca_file.empty()) options.ca_file = paths.infrastructure_root();
  if (!options.server.empty()) return {};
  const auto ports = read_ports(paths);
  if (!ports.ok()) {
    return Error{ErrorCode::kInvalidArgument, kConfigInvalid,
                 "no server is named and there is no `muster up` folder at \"" + options.folder +
                     "\"; give --folder, or --server, --token-file and --ca-file"};
  }
  options.server = "https://127.0.0.1:" + std::to_string(ports->rest);
  return {};
}

std::string refusal(const http::ClientResponse& response, const nlohmann::json& problem) {
  std::string out = "the server answered " + std::to_string(response.status);
  if (!problem.is_object()) return out;
  out += " " + problem.value("reason", std::string("without a reason"));
  const std::string detail = problem.value("detail", problem.value("title", std::string()));
  return detail.empty() ? out : out + ": " + detail;
}

std::string cell(const nlohmann::json& item, const std::string& column) {
  const auto found = item.find(column);
  if (found == item.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

}  // namespace

void add_server_options(Command& command, ServerOptions& options) {
  command.option("--folder", options.folder, "folder of `muster up` that says where the server is");
  command.option("--server", options.server, "https://host:port [env MUSTER_SERVER]");
  command.option("--token-file", options.token_file, "file with the bearer token [env MUSTER_TOKEN_FILE]");
  command.option("--ca-file", options.ca_file, "PEM of the infrastructure root [env MUSTER_CA_FILE]");
}

Result<ApiSession> ApiSession::open(const ServerOptions& given) {
  ServerOptions options = given;
  take_environment(options.server, "MUSTER_SERVER");
  take_environment(options.token_file, "MUSTER_TOKEN_FILE");
  take_environment(options.ca_file, "MUSTER_CA_FILE");
  MUSTER_TRY_VOID(complete_from_folder(options));
  http::ClientConfig config;
  config.base_url = options.server;
  config.ca_file = options.ca_file;
  MUSTER_TRY(config.bearer_token, read_token(options.token_file));
  MUSTER_TRY(http::Client client, http::Client::create(std::move(config)));
  return ApiSession(std::move(client));
}

Result<nlohmann::json> ApiSession::call(const std::string& method, const std::string& target,
                                        const nlohmann::json& body) {
  http::ClientRequest request;
  request.method = method;
  request.target = target;
  if (!body.is_null()) request.body = body.dump();
  return send(request);
}

Result<nlohmann::json> ApiSession::upload(const std::string& target, std::string octets) {
  http::ClientRequest request;
  request.method = "POST";
  request.target = target;
  request.body = std::move(octets);
  request.content_type = "application/octet-stream";
  return send(request);
}

Result<nlohmann::json> ApiSession::send(const http::ClientRequest& request) {
  MUSTER_TRY(const http::ClientResponse response, client_.send(request));
  nlohmann::json answer;
  if (!response.body.empty()) answer = nlohmann::json::parse(response.body, nullptr, false);
  if (response.status >= 400) {
    return Error{ErrorCode::kFailedPrecondition, kServerRefused,
                 request.method + " " + request.target + ": " + refusal(response, answer)};
  }
  if (answer.is_discarded()) {
    return Error{ErrorCode::kCorrupt, kAnswerMalformed,
                 request.method + " " + request.target + ": the answer is not JSON"};
  }
  return answer;
}

Result<std::string> ApiSession::fetch(const std::string& target) {
  http::ClientRequest request;
  request.method = "GET";
  request.target = target;
  MUSTER_TRY(http::ClientResponse response, client_.send(request));
  if (response.status < 400) return std::move(response.body);
  const nlohmann::json answer = nlohmann::json::parse(response.body, nullptr, false);
  return Error{ErrorCode::kFailedPrecondition, kServerRefused, "GET " + target + ": " + refusal(response, answer)};
}

Result<nlohmann::json> ApiSession::get(const std::string& target) { return call("GET", target, nullptr); }

Result<std::vector<nlohmann::json>> ApiSession::list(const std::string& target) {
  std::vector<nlohmann::json> out;
  const std::string joint = target.find('?') == std::string::npos ? "?" : "&";
  std::string cursor;
  do {
    const std::string page_target = cursor.empty() ? target : target + joint + "cursor=" + http::percent_encode(cursor);
    MUSTER_TRY(const nlohmann::json page, get(page_target));
    if (!page.is_object() || !page.contains("items") || !page["items"].is_array()) {
      return Error{ErrorCode::kCorrupt, kAnswerMalformed, target + ": the answer is not a list"};
    }
    out.insert(out.end(), page["items"].begin(), page["items"].end());
    cursor = page.contains("next_cursor") && page["next_cursor"].is_string() ? page["next_cursor"].get<std::string>()
                                                                             : std::string();
  } while (!cursor.empty());
  return out;
}

std::string tenant_path(const std::string& tenant) { return "/v1/tenants/" + http::percent_encode(tenant); }

std::string device_path(const std::string& tenant, const std::string& device) {
  return tenant_path(tenant) + "/devices/" + http::percent_encode(device);
}

int print_list(const Result<std::vector<nlohmann::json>>& items, const std::vector<std::string>& columns) {
  if (!items.ok()) return complain(items.error());
  std::vector<std::size_t> widths;
  for (const std::string& column : columns) widths.push_back(column.size());
  for (const nlohmann::json& item : *items) {
    for (std::size_t i = 0; i < columns.size(); ++i) widths[i] = std::max(widths[i], cell(item, columns[i]).size());
  }
  const auto print_row = [&](const std::function<std::string(std::size_t)>& text) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::string field = text(i);
      if (i + 1 < columns.size()) field.resize(widths[i] + 2, ' ');
      line += field;
    }
    say(line);
  };
  print_row([&](std::size_t i) { return columns[i]; });
  for (const nlohmann::json& item : *items) print_row([&](std::size_t i) { return cell(item, columns[i]); });
  return 0;
}

int print_object(const Result<nlohmann::json>& object) {
  if (!object.ok()) return complain(object.error());
  if (!object->is_null()) say(object->dump(2));
  return 0;
}

void run_with_session(Command& command, ServerOptions& options, std::function<int(ApiSession&)> action) {
  add_server_options(command, options);
  command.run([&options, action = std::move(action)] {
    auto session = ApiSession::open(options);
    return session.ok() ? action(*session) : complain(session.error());
  });
}

}  // namespace muster::cli
