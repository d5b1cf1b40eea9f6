// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct TokenOptions {
  ServerOptions server;
  std::string tenant;
  std::string role;
  std::string id;
  std::string description;
  long expires_in_seconds = 0;
  std::vector<std::string> devices;
};

std::string tokens_path(const TokenOptions& options) {
  return options.tenant.empty() ? "/v1/tokens" : tenant_path(options.tenant) + "/tokens";
}

int create(ApiSession& api, const TokenOptions& options) {
  nlohmann::json body{{"role", options.role}};
  if (!options.description.empty()) body["description"] = options.description;
  if (options.expires_in_seconds > 0) body["expires_in_seconds"] = options.expires_in_seconds;
  if (!options.devices.empty()) body["devices"] = options.devices;
  return print_object(api.call("POST", tokens_path(options), body));
}

}  // namespace

void declare_token(Command& root) {
  Command token = root.add_command("token", "create, list, revoke bearer tokens");
  auto options = std::make_shared<TokenOptions>();

  Command create_command = token.add_command("create", "create a token; it is shown once");
  create_command
      .required("role", options->role, "platform-admin, tenant-admin, factory, auditor, application or broker")
      .option("--tenant", options->tenant, "tenant; without it the token is the platform's")
      .option("--description", options->description, "what it is for")
      .option("--expires-in-seconds", options->expires_in_seconds, "0: never")
      .options("--device", options->devices,
               "factory: may enrol this device though it did not create it; may be repeated");
  run_with_session(create_command, options->server, [options](ApiSession& api) { return create(api, *options); });

  Command list = token.add_command("list", "list tokens, without their secrets");
  list.option("--tenant", options->tenant, "tenant; without it the platform's");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(tokens_path(*options)), {"id", "role", "description", "expires_at", "revoked_at"});
  });

  Command revoke = token.add_command("revoke", "revoke a token at once");
  revoke.required("id", options->id, "id of the token").option("--tenant", options->tenant, "tenant of the token");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", tokens_path(*options) + "/" + http::percent_encode(options->id), nullptr));
  });
}

}  // namespace muster::cli
