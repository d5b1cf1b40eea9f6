// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct PolicyOptions {
  ServerOptions server;
  std::string tenant;
  std::string name;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
};

std::string policies_path(const PolicyOptions& options) { return tenant_path(options.tenant) + "/policies"; }

nlohmann::json rules(const PolicyOptions& options) {
  nlohmann::json out = nlohmann::json::array();
  if (!options.publish.empty()) out.push_back({{"action", "publish"}, {"topics", options.publish}});
  if (!options.subscribe.empty()) out.push_back({{"action", "subscribe"}, {"topics", options.subscribe}});
  return out;
}

}  // namespace

void declare_policy(Command& root) {
  Command policy = root.add_command("policy", "create, replace, list, show, delete policies");
  auto options = std::make_shared<PolicyOptions>();
  const auto declare = [&](const char* verb, const char* help, std::function<int(ApiSession&)> action) {
    Command command = policy.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant").required("name", options->name, "policy");
    run_with_session(command, options->server, std::move(action));
    return command;
  };
  const auto with_rules = [&](Command command) {
    command.options("--publish", options->publish, "topic filter, for example '${tenant}/${device}/telemetry/#'")
        .options("--subscribe", options->subscribe, "topic filter");
  };
  with_rules(declare("create", "create a policy: an allow-list of topic filters", [options](ApiSession& api) {
    return print_object(
        api.call("POST", policies_path(*options), {{"name", options->name}, {"rules", rules(*options)}}));
  }));
  with_rules(declare("replace", "replace a policy's rules", [options](ApiSession& api) {
    return print_object(api.call("PUT", policies_path(*options) + "/" + http::percent_encode(options->name),
                                 {{"rules", rules(*options)}}));
  }));
  declare("show", "show one policy", [options](ApiSession& api) {
    return print_object(api.get(policies_path(*options) + "/" + http::percent_encode(options->name)));
  });
  declare("delete", "delete a policy", [options](ApiSession& api) {
    return print_object(
        api.call("DELETE", policies_path(*options) + "/" + http::percent_encode(options->name), nullptr));
  });
  Command list = policy.add_command("list", "list the policies of a tenant");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(policies_path(*options)), {"name", "rules", "id"});
  });
}

}  // namespace muster::cli
