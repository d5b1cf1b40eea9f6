// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"

namespace muster::cli {
namespace {

struct TenantOptions {
  ServerOptions server;
  std::string name;
};

int set_status(ApiSession& api, const std::string& name, const char* status) {
  return print_object(api.call("PATCH", tenant_path(name), {{"status", status}}));
}

}  // namespace

void declare_tenant(Command& root) {
  Command tenant = root.add_command("tenant", "create, list, show, suspend, resume, delete tenants");
  auto options = std::make_shared<TenantOptions>();
  const auto declare = [&](const char* verb, const char* help, std::function<int(ApiSession&)> action) {
    Command command = tenant.add_command(verb, help);
    command.required("name", options->name, "tenant: [a-z0-9-], at most 63 characters");
    run_with_session(command, options->server, std::move(action));
  };
  declare("create", "create a tenant; it gets its own issuing CA", [options](ApiSession& api) {
    return print_object(api.call("POST", "/v1/tenants", {{"name", options->name}}));
  });
  declare("show", "show one tenant",
          [options](ApiSession& api) { return print_object(api.get(tenant_path(options->name))); });
  declare("suspend", "cut off all its devices until it is resumed",
          [options](ApiSession& api) { return set_status(api, options->name, "suspended"); });
  declare("resume", "end a suspension",
          [options](ApiSession& api) { return set_status(api, options->name, "active"); });
  declare("delete", "delete a tenant; a tombstone stays",
          [options](ApiSession& api) { return print_object(api.call("DELETE", tenant_path(options->name), nullptr)); });
  Command list = tenant.add_command("list", "list tenants");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list("/v1/tenants"), {"name", "status", "default_policy", "created_at", "id"});
  });
}

}  // namespace muster::cli
