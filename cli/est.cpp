// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct EstOptions {
  ServerOptions server;
  std::string tenant;
  long reenroll_after_expiry_seconds = -1;
  std::string serverkeygen;
  std::string unwrapped;
  std::vector<std::string> labels;
};

std::string settings_path(const EstOptions& options) { return tenant_path(options.tenant) + "/est-settings"; }

// "on" or "off" into `body`; false for anything else.
bool set_switch(nlohmann::json& body, const char* name, const std::string& value) {
  if (value.empty()) return true;
  body[name] = value == "on";
  return value == "on" || value == "off";
}

// What is not named stays as it is.
int set(ApiSession& api, const EstOptions& options) {
  const auto before = api.get(settings_path(options));
  if (!before.ok()) return print_object(before);
  nlohmann::json body = *before;
  if (options.reenroll_after_expiry_seconds >= 0) {
    body["reenroll_after_expiry_seconds"] = options.reenroll_after_expiry_seconds;
  }
  if (!set_switch(body, "serverkeygen", options.serverkeygen) || !set_switch(body, "unwrapped", options.unwrapped)) {
    return complain("expected on or off");
  }
  if (!options.labels.empty()) body["labels"] = nlohmann::json::array();
  for (const std::string& label : options.labels) {
    const std::size_t colon = label.find(':');
    nlohmann::json item{{"name", label.substr(0, colon)}, {"unwrapped", true}};
    if (colon != std::string::npos) item["profile"] = label.substr(colon + 1);
    body["labels"].push_back(std::move(item));
  }
  return print_object(api.call("PUT", settings_path(options), body));
}

}  // namespace

void declare_est(Command& root) {
  Command est = root.add_command("est", "what a tenant allows over EST (RFC 7030)");
  auto options = std::make_shared<EstOptions>();

  Command show = est.add_command("show", "show a tenant's settings");
  show.required("tenant", options->tenant, "tenant");
  run_with_session(show, options->server,
                   [options](ApiSession& api) { return print_object(api.get(settings_path(*options))); });

  Command set_command = est.add_command("set", "change them; what is not named stays as it is");
  set_command.required("tenant", options->tenant, "tenant")
      .option("--reenroll-after-expiry-seconds", options->reenroll_after_expiry_seconds,
              "how long after its end a certificate may still ask for its successor; 0: not at all")
      .option("--serverkeygen", options->serverkeygen, "on or off: keys made here, for devices that cannot")
      .option("--unwrapped", options->unwrapped, "on or off: base64 in one line where the path has no label")
      .options("--label", options->labels,
               "NAME or NAME:PROFILE: base64 in one line below /.well-known/est/TENANT/NAME/; may be repeated and"
               " replaces those there are");
  run_with_session(set_command, options->server, [options](ApiSession& api) { return set(api, *options); });
}

}  // namespace muster::cli
