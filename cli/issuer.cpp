// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kLargestChain = 128 * 1024;

struct IssuerOptions {
  ServerOptions server;
  std::string tenant;
  std::string id;
  std::string key_algorithm = "p-256";
  std::string slot = "default";
  std::string name;
  std::string request_file;
  std::string chain_file;
  std::string status;
  std::string reason;
  bool subordinate = false;
  bool force = false;
};

std::string issuers_path(const IssuerOptions& options) { return tenant_path(options.tenant) + "/issuers"; }
std::string issuer_path(const IssuerOptions& options) {
  return issuers_path(options) + "/" + http::percent_encode(options.id);
}

int write_request(const IssuerOptions& options, const std::string& request) {
  if (options.request_file.empty()) {
    say(request);
    return 0;
  }
  const auto written = write_file_durably(options.request_file, as_bytes(request), 0644);
  if (!written.ok()) return complain(written.error());
  say("the request is in " + options.request_file);
  return 0;
}

int create(ApiSession& api, const IssuerOptions& options) {
  const auto made = api.call("POST", issuers_path(options),
                             {{"kind", options.subordinate ? "subordinate" : "internal"},
                              {"key_algorithm", options.key_algorithm},
                              {"slot", options.slot},
                              {"name", options.name}});
  if (!made.ok()) return complain(made.error());
  say("issuer " + made->value("id", "") + ", status " + made->value("status", ""));
  if (!options.subordinate) return 0;
  return write_request(options, made->value("request", ""));
}

int install(ApiSession& api, const IssuerOptions& options) {
  const auto chain = read_file(options.chain_file, kLargestChain);
  if (!chain.ok()) return complain(chain.error());
  return print_object(api.call("PUT", issuer_path(options) + "/certificate", {{"chain", as_text(*chain)}}));
}

void declare_making(Command& issuer, const std::shared_ptr<IssuerOptions>& options) {
  Command create_command = issuer.add_command("create", "make an issuing CA, not signing yet");
  create_command.required("tenant", options->tenant, "tenant");
  create_command.flag("--subordinate", options->subordinate, "under your own root: gives a request to sign");
  create_command.option("--request", options->request_file, "file for that request; default: standard output")
      .option("--key-algorithm", options->key_algorithm, "p-256, p-384, ed25519, rsa-3072 and others")
      .option("--slot", options->slot, "which of the tenant's signers it is to become")
      .option("--name", options->name, "for people");
  run_with_session(create_command, options->server, [options](ApiSession& api) { return create(api, *options); });

  Command request = issuer.add_command("request", "the certification request of an issuer's key");
  request.required("tenant", options->tenant, "tenant").required("issuer", options->id, "issuer's id");
  request.option("--request", options->request_file, "file for it; default: standard output");
  run_with_session(request, options->server, [options](ApiSession& api) {
    const auto answer = api.get(issuer_path(*options) + "/request");
    if (!answer.ok()) return complain(answer.error());
    return write_request(*options, answer->value("request", ""));
  });

  Command install_command = issuer.add_command("install", "take the certificate that your CA signed");
  install_command.required("tenant", options->tenant, "tenant").required("issuer", options->id, "issuer's id");
  install_command.required("chain", options->chain_file, "PEM file: the certificate, those above it, the root last");
  run_with_session(install_command, options->server, [options](ApiSession& api) { return install(api, *options); });
}

}  // namespace

void declare_issuer(Command& root) {
  auto options = std::make_shared<IssuerOptions>();
  Command issuer = root.add_command("issuer", "a tenant's issuing CAs: make, install, activate, retire, reissue");
  declare_making(issuer, options);

  Command list = issuer.add_command("list", "list the issuing CAs of a tenant");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(issuers_path(*options)), {"slot", "status", "kind", "not_after", "name", "id"});
  });

  Command set = issuer.add_command("set", "move an issuing CA on: active, retiring, retired");
  set.required("tenant", options->tenant, "tenant").required("issuer", options->id, "issuer's id");
  set.required("status", options->status, "active, retiring or retired");
  set.flag("--force", options->force, "also where devices are shut out, or nobody is left to sign");
  run_with_session(set, options->server, [options](ApiSession& api) {
    return print_object(
        api.call("PATCH", issuer_path(*options), {{"status", options->status}, {"force", options->force}}));
  });

  Command reissue = issuer.add_command("reissue", "ask every device with a certificate of this CA to renew now");
  reissue.required("tenant", options->tenant, "tenant").required("issuer", options->id, "issuer's id");
  reissue.option("--reason", options->reason, "shown to the devices");
  run_with_session(reissue, options->server, [options](ApiSession& api) {
    return print_object(api.call("POST", issuer_path(*options) + "/reissue", {{"reason", options->reason}}));
  });
}

}  // namespace muster::cli
