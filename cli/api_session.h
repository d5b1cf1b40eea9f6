// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the operator's tools talk to a server through this: where it is, which token, and its answers as JSON.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_line.h"
#include "core/result.h"
#include "http/client.h"

namespace muster::cli {

// Where the server is. Flags win over the environment (MUSTER_SERVER, MUSTER_TOKEN_FILE, MUSTER_CA_FILE), which wins
// over the folder of a `muster up`.
struct ServerOptions {
  std::string folder = ".muster";
  std::string server;      // https://host:port
  std::string token_file;  // only its owner may read it
  std::string ca_file;
};
void add_server_options(Command& command, ServerOptions& options);

// ApiSession is one operator's way to the REST listener. Not thread-safe.
class ApiSession {
 public:
  // Reasons: config.invalid (nothing says where the server is), file.* (the token file), http.*.
  static Result<ApiSession> open(const ServerOptions& options);

  // Sends JSON (`body` null: none) and returns the JSON answer, null where there is none. A status of 400 or more is
  // server.refused, with status, the server's reason and detail in the error's detail. Other reasons: http.*,
  // server.answer_malformed.
  Result<nlohmann::json> call(const std::string& method, const std::string& target, const nlohmann::json& body);
  Result<nlohmann::json> get(const std::string& target);
  // Posts octets that are not JSON; result as call().
  Result<nlohmann::json> upload(const std::string& target, std::string octets);
  // The octets of an answer that is not JSON. Reasons as call().
  Result<std::string> fetch(const std::string& target);
  // All pages of a list.
  Result<std::vector<nlohmann::json>> list(const std::string& target);

 private:
  Result<nlohmann::json> send(const http::ClientRequest& request);
  explicit ApiSession(http::Client client) : client_(std::move(client)) {}
  http::Client client_;
};

// Paths with their names percent-encoded.
std::string tenant_path(const std::string& tenant);
std::string device_path(const std::string& tenant, const std::string& device);

// Prints lists as columns and single objects as indented JSON; returns the exit status.
int print_list(const Result<std::vector<nlohmann::json>>& items, const std::vector<std::string>& columns);
int print_object(const Result<nlohmann::json>& object);

// Declares one operator's command that opens a session and hands it to `action`, which returns the exit status.
void run_with_session(Command& command, ServerOptions& options, std::function<int(ApiSession&)> action);

}  // namespace muster::cli
