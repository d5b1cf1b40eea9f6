// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"

namespace muster::cli {

void declare_audit(Command& root) {
  struct AuditOptions {
    ServerOptions server;
    std::string tenant;
    long limit = 50;
  };
  Command audit = root.add_command("audit", "read the audit log");
  auto options = std::make_shared<AuditOptions>();
  Command list = audit.add_command("list", "list audit events");
  list.option("--tenant", options->tenant, "of this tenant only").option("--limit", options->limit, "how many at most");
  run_with_session(list, options->server, [options](ApiSession& api) {
    std::string target = "/v1/audit?limit=" + std::to_string(options->limit);
    if (!options->tenant.empty()) target += "&tenant=" + http::percent_encode(options->tenant);
    const auto page = api.get(target);
    if (!page.ok()) return print_object(page);
    const nlohmann::json& items = page->contains("items") ? (*page)["items"] : *page;
    return print_list(std::vector<nlohmann::json>(items.begin(), items.end()),
                      {"at", "tenant", "actor", "action", "target", "outcome"});
  });
}

}  // namespace muster::cli
