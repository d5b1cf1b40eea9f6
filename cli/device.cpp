// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct DeviceOptions {
  ServerOptions server;
  std::string tenant;
  std::string name;
  std::string policy;
  std::vector<std::string> groups;
  std::vector<std::string> labels;
};

int create(ApiSession& api, const DeviceOptions& options) {
  nlohmann::json body{{"name", options.name}};
  if (!options.policy.empty()) body["policy"] = options.policy;
  if (!options.groups.empty()) body["groups"] = options.groups;
  for (const std::string& label : options.labels) {
    const std::size_t equals = label.find('=');
    if (equals == std::string::npos) return complain("--label \"" + label + "\" must have the form name=value");
    body["labels"][label.substr(0, equals)] = label.substr(equals + 1);
  }
  return print_object(api.call("POST", tenant_path(options.tenant) + "/devices", body));
}

int set_status(ApiSession& api, const DeviceOptions& options, const char* status) {
  return print_object(api.call("PATCH", device_path(options.tenant, options.name), {{"status", status}}));
}

}  // namespace

void declare_device(Command& root) {
  Command device = root.add_command("device", "create, list, show, suspend, resume, retire, delete devices");
  auto options = std::make_shared<DeviceOptions>();
  const auto declare = [&](const char* verb, const char* help, std::function<int(ApiSession&)> action) {
    Command command = device.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant").required("name", options->name, "device");
    run_with_session(command, options->server, std::move(action));
    return command;
  };
  declare("create", "register a device", [options](ApiSession& api) { return create(api, *options); })
      .option("--policy", options->policy, "name of a policy of the tenant")
      .options("--group", options->groups, "group; may be repeated")
      .options("--label", options->labels, "name=value; may be repeated");
  declare("show", "show one device",
          [options](ApiSession& api) { return print_object(api.get(device_path(options->tenant, options->name))); });
  declare("suspend", "cut it off until it is resumed",
          [options](ApiSession& api) { return set_status(api, *options, "suspended"); });
  declare("resume", "end a suspension", [options](ApiSession& api) { return set_status(api, *options, "active"); });
  declare("retire", "cut it off for good", [options](ApiSession& api) { return set_status(api, *options, "retired"); });
  declare("delete", "delete a device; a tombstone stays", [options](ApiSession& api) {
    return print_object(api.call("DELETE", device_path(options->tenant, options->name), nullptr));
  });
  Command list = device.add_command("list", "list the devices of a tenant");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(tenant_path(options->tenant) + "/devices"),
                      {"name", "status", "policy", "groups", "created_at", "id"});
  });
}

}  // namespace muster::cli
