// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxPem = 128U << 10;

struct AnchorOptions {
  ServerOptions server;
  std::string tenant;
  std::string anchor;
  std::string file;
  std::string source = "cn";
  std::string prefix;
  std::string status;
  std::string device;
  bool create = false;
};

std::string anchors_path(const AnchorOptions& options) { return tenant_path(options.tenant) + "/trust-anchors"; }

std::string anchor_path(const AnchorOptions& options) {
  return anchors_path(options) + "/" + http::percent_encode(options.anchor);
}

// Sends a PEM file as one field of an object.
int send_pem(ApiSession& api, const std::string& path, const std::string& field, const AnchorOptions& options,
             nlohmann::json body = nlohmann::json::object()) {
  const auto pem = read_file(options.file, kMaxPem);
  if (!pem.ok()) return complain(pem.error());
  body[field] = std::string(as_text(*pem));
  return print_object(api.call("POST", path, body));
}

}  // namespace

void declare_trust_anchor(Command& root) {
  Command group =
      root.add_command("trust-anchor", "CAs of a tenant's own PKI: add, verify, list, show, set, bind, delete");
  auto options = std::make_shared<AnchorOptions>();
  const auto declare = [&](const char* verb, const char* help) {
    Command command = group.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant");
    return command;
  };
  const auto declare_one = [&](const char* verb, const char* help) {
    Command command = declare(verb, help);
    command.required("anchor", options->anchor, "id of the trust anchor");
    return command;
  };
  Command add = declare("add", "add a CA; prints the code that its key must sign");
  add.required("certificates", options->file, "PEM file: the CA, then its intermediates")
      .option("--device-id-from", options->source, "uri-san, dns-san, cn or serial-number")
      .option("--device-id-prefix", options->prefix, "what stands before the device id");
  run_with_session(add, options->server, [options](ApiSession& api) {
    return send_pem(api, anchors_path(*options), "certificates", *options,
                    {{"device_id_from", options->source}, {"device_id_prefix", options->prefix}});
  });
  Command verify = declare_one("verify", "prove that the CA's key is the tenant's");
  verify.required("certificate", options->file, "PEM file: a certificate with the code as its CN, signed by the CA");
  run_with_session(verify, options->server, [options](ApiSession& api) {
    return send_pem(api, anchor_path(*options) + "/verification", "certificate", *options);
  });
  Command set = declare_one("set", "set the status");
  set.required("status", options->status, "active, no-new-devices, suspended or revoked");
  run_with_session(set, options->server, [options](ApiSession& api) {
    return print_object(api.call("PATCH", anchor_path(*options), {{"status", options->status}}));
  });
  Command bind = declare_one("bind", "let a device come by this CA's certificates");
  bind.required("device", options->device, "device")
      .flag("--create", options->create, "make the device where there is none");
  run_with_session(bind, options->server, [options](ApiSession& api) {
    return print_object(api.call("POST", anchor_path(*options) + "/devices",
                                 {{"device", options->device}, {"create", options->create}}));
  });
  Command show = declare_one("show", "show one");
  run_with_session(show, options->server,
                   [options](ApiSession& api) { return print_object(api.get(anchor_path(*options))); });
  Command remove = declare_one("delete", "delete one: who came by it stays out");
  run_with_session(remove, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", anchor_path(*options), nullptr));
  });
  Command list = declare("list", "list those of a tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(anchors_path(*options)), {"id", "status", "device_id_from", "not_after", "spki_sha256"});
  });
}

}  // namespace muster::cli
