// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/bytes.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxCertificateFile = 64u << 10;

struct ClaimOptions {
  ServerOptions server;
  std::string tenant;
  std::string id;
  std::string description;
  std::vector<std::string> devices;
  std::string pattern;
  std::string group;
  std::vector<std::string> networks;
  std::string profile;
  std::string certificate_file;
  long max_uses = 1;
  long expires_in_seconds = 0;
  bool create = false;
  bool reissue = false;
};

std::string claims_path(const ClaimOptions& options) { return tenant_path(options.tenant) + "/claims"; }

std::string claim_path(const ClaimOptions& options) {
  return claims_path(options) + "/" + http::percent_encode(options.id);
}

int create(ApiSession& api, const ClaimOptions& options) {
  nlohmann::json body{{"max_uses", options.max_uses}, {"create", options.create}, {"reissue", options.reissue}};
  const auto set = [&](const char* name, const auto& value) {
    if (!value.empty()) body[name] = value;
  };
  set("description", options.description);
  set("devices", options.devices);
  set("device_pattern", options.pattern);
  set("group", options.group);
  set("networks", options.networks);
  set("profile", options.profile);
  if (options.expires_in_seconds > 0) body["expires_in_seconds"] = options.expires_in_seconds;
  if (!options.certificate_file.empty()) {
    const auto pem = read_file(options.certificate_file, kMaxCertificateFile);
    if (!pem.ok()) return complain("cannot read " + options.certificate_file + ": " + to_log_text(pem.error()));
    body["certificate"] = std::string(as_text(*pem));
  }
  return print_object(api.call("POST", claims_path(options), body));
}

void declare_create(Command& claim, const std::shared_ptr<ClaimOptions>& options) {
  Command command = claim.add_command("create", "create a claim; its secret is shown once");
  command.required("tenant", options->tenant, "tenant of the devices")
      .options("--device", options->devices, "device that it is for; may be repeated")
      .option("--pattern", options->pattern, "instead of --device: names in which '*' stands for any characters")
      .option("--group", options->group, "group that new devices come into and others must be in")
      .options("--network", options->networks, "CIDR block that the device must ask from; may be repeated")
      .option("--profile", options->profile, "certificate profile; default: device")
      .option("--certificate", options->certificate_file, "PEM file: its holder has the claim, no secret is made")
      .option("--max-uses", options->max_uses, "how many certificates it is good for")
      .option("--expires-in-seconds", options->expires_in_seconds, "default: a day")
      .option("--description", options->description, "what it is for")
      .flag("--create", options->create, "register a device that does not exist")
      .flag("--reissue", options->reissue, "also for a named device that has had a certificate");
  run_with_session(command, options->server, [options](ApiSession& api) { return create(api, *options); });
}

}  // namespace

void declare_claim(Command& root) {
  Command claim = root.add_command("claim", "create, list, revoke claims, with which devices enrol themselves");
  auto options = std::make_shared<ClaimOptions>();
  declare_create(claim, options);

  Command list = claim.add_command("list", "list claims, without their secrets");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(claims_path(*options)),
                      {"id", "kind", "description", "uses", "max_uses", "expires_at", "revoked_at"});
  });

  Command revoke = claim.add_command("revoke", "revoke a claim at once");
  revoke.required("tenant", options->tenant, "tenant").required("id", options->id, "id of the claim");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", claim_path(*options), nullptr));
  });
}

}  // namespace muster::cli
