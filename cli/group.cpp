// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"

namespace muster::cli {
namespace {

struct GroupOptions {
  ServerOptions server;
  std::string tenant;
  std::string name;
  std::string policy;
};

std::string groups_path(const GroupOptions& options) { return tenant_path(options.tenant) + "/groups"; }

std::string group_path(const GroupOptions& options) {
  return groups_path(options) + "/" + http::percent_encode(options.name);
}

}  // namespace

void declare_group(Command& root) {
  Command group = root.add_command("group", "the policy that a group gives its devices");
  auto options = std::make_shared<GroupOptions>();

  Command set = group.add_command("set", "give the devices of a group a policy");
  set.required("tenant", options->tenant, "tenant")
      .required("name", options->name, "group")
      .required("policy", options->policy, "policy");
  run_with_session(set, options->server, [options](ApiSession& api) {
    return print_object(api.call("PUT", group_path(*options), {{"policy", options->policy}}));
  });

  Command clear = group.add_command("clear", "take a group's policy away");
  clear.required("tenant", options->tenant, "tenant").required("name", options->name, "group");
  run_with_session(clear, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", group_path(*options), nullptr));
  });

  Command list = group.add_command("list", "list the groups that have a policy");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(groups_path(*options)), {"name", "policy"});
  });
}

}  // namespace muster::cli
