// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"

namespace muster::cli {
namespace {

struct GrantOptions {
  ServerOptions server;
  std::string tenant;
  std::string device;
  std::string on;
  std::string id;
  std::vector<std::string> actions;
  std::vector<std::string> topics;
  long max_qos = -1;
  long max_payload = -1;
  bool on_device = false;
};

std::string grants_path(const GrantOptions& options) { return device_path(options.tenant, options.device) + "/grants"; }

int create(ApiSession& api, const GrantOptions& options) {
  nlohmann::json body{{"on", options.on}, {"actions", options.actions}, {"topics", options.topics}};
  if (options.max_qos >= 0) body["max_qos"] = options.max_qos;
  if (options.max_payload >= 0) body["max_payload"] = options.max_payload;
  return print_object(api.call("POST", grants_path(options), body));
}

}  // namespace

void declare_grant(Command& root) {
  Command grant = root.add_command("grant", "what one device may do in the topics of another, as a gateway must");
  auto options = std::make_shared<GrantOptions>();

  Command made = grant.add_command("create", "let a device into the topics of another device of its tenant");
  made.required("tenant", options->tenant, "tenant of both")
      .required("device", options->device, "device that may")
      .required("on", options->on, "device whose topics they are")
      .options("--action", options->actions, "publish, subscribe, retain or will; may be repeated")
      .options("--topic", options->topics, "topic filter below TENANT/ON/, for example 'telemetry/#'; may be repeated")
      .option("--max-qos", options->max_qos, "highest QoS")
      .option("--max-payload", options->max_payload, "largest payload in octets");
  run_with_session(made, options->server, [options](ApiSession& api) { return create(api, *options); });

  Command list = grant.add_command("list", "list a device's grants");
  list.required("tenant", options->tenant, "tenant")
      .required("device", options->device, "device")
      .flag("--on", options->on_device, "those that others have on this device");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(grants_path(*options) + (options->on_device ? "?side=on" : "")),
                      {"id", "device", "on", "actions", "topics", "max_qos", "max_payload"});
  });

  Command revoke = grant.add_command("revoke", "end a grant at once");
  revoke.required("tenant", options->tenant, "tenant")
      .required("device", options->device, "device that has it")
      .required("id", options->id, "id of the grant");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", grants_path(*options) + "/" + http::percent_encode(options->id), nullptr));
  });
}

}  // namespace muster::cli
