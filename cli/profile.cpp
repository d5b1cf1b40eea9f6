// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct ProfileOptions {
  ServerOptions server;
  std::string tenant;
  std::string name;
  std::string issuer;
  long validity = 0;
  std::vector<std::string> keys;
  bool short_lived = false;
  bool no_crl = false;
  bool ocsp = false;
};

std::string profiles_path(const ProfileOptions& options) { return tenant_path(options.tenant) + "/profiles"; }

// Only what was named, so that "set" leaves the rest.
nlohmann::json values(const ProfileOptions& options) {
  nlohmann::json body = nlohmann::json::object();
  if (!options.issuer.empty()) body["issuer_id"] = options.issuer;
  if (options.validity > 0) body["validity_seconds"] = options.validity;
  if (!options.keys.empty()) body["key_algorithms"] = options.keys;
  if (options.short_lived) body["short_lived"] = true;
  if (options.no_crl) body["crl_pointer"] = false;
  if (options.ocsp) body["ocsp_pointer"] = true;
  return body;
}

}  // namespace

void declare_profile(Command& root) {
  Command profile = root.add_command("profile", "create, set, list, show, delete certificate profiles");
  auto options = std::make_shared<ProfileOptions>();
  const auto declare = [&](const char* verb, const char* help, std::function<int(ApiSession&)> action) {
    Command command = profile.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant").required("name", options->name, "profile");
    run_with_session(command, options->server, std::move(action));
    return command;
  };
  const auto with_values = [&](Command command) {
    command.option("--validity-seconds", options->validity, "how long certificates live")
        .options("--key", options->keys, "a key algorithm that is accepted: p-256, p-384, ed25519, rsa, …")
        .option("--issuer", options->issuer, "id of the issuing CA; default: the tenant's")
        .flag("--short-lived", options->short_lived, "no revocation data at all (RFC 9608); at most ten days")
        .flag("--no-crl", options->no_crl, "no CRL pointer")
        .flag("--ocsp", options->ocsp, "an OCSP pointer");
  };
  const auto one = [options] { return profiles_path(*options) + "/" + http::percent_encode(options->name); };
  with_values(declare("create", "create a profile; what is not named is as in \"device\"", [options](ApiSession& api) {
    nlohmann::json body = values(*options);
    body["name"] = options->name;
    return print_object(api.call("POST", profiles_path(*options), body));
  }));
  with_values(declare("set", "change what is named; \"device\" can be changed too", [options, one](ApiSession& api) {
    return print_object(api.call("PATCH", one(), values(*options)));
  }));
  declare("show", "show one profile", [one](ApiSession& api) { return print_object(api.get(one())); });
  declare("delete", "delete a profile; certificates issued under it stay",
          [one](ApiSession& api) { return print_object(api.call("DELETE", one(), nullptr)); });
  Command list = profile.add_command("list", "list the profiles of a tenant");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(profiles_path(*options)),
                      {"name", "validity_seconds", "key_algorithms", "short_lived", "crl_pointer", "ocsp_pointer"});
  });
}

}  // namespace muster::cli
