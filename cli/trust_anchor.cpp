// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxPem = 128U << 10;
constexpr std::size_t kMaxCrl = 16U << 20;

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
  std::string enabled;  // "on" or "off"
  long max_devices = 0;
  long devices_per_minute = 0;
  std::string group;
  std::vector<std::string> denied;
  std::string url;
  long fetch_seconds = 0;
  std::string expired_crl;
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

int upload_crl(ApiSession& api, const AnchorOptions& options) {
  const auto crl = read_file(options.file, kMaxCrl);
  if (!crl.ok()) return complain(crl.error());
  return print_object(api.upload(anchor_path(options) + "/crls", std::string(as_text(*crl))));
}

// What is not named stays as it is.
int set_self_registration(ApiSession& api, const AnchorOptions& options) {
  if (options.enabled != "on" && options.enabled != "off") return complain("on or off, not " + options.enabled);
  nlohmann::json fields{{"enabled", options.enabled == "on"}};
  if (options.max_devices > 0) fields["max_devices"] = options.max_devices;
  if (options.devices_per_minute > 0) fields["devices_per_minute"] = options.devices_per_minute;
  if (!options.group.empty()) fields["group"] = options.group;
  if (!options.denied.empty()) fields["denied"] = options.denied;
  return print_object(api.call("PATCH", anchor_path(options), {{"self_registration", std::move(fields)}}));
}

int set_crl_source(ApiSession& api, const AnchorOptions& options) {
  nlohmann::json body = nlohmann::json::object();
  if (!options.url.empty()) body["crl"]["url"] = options.url == "none" ? nlohmann::json() : nlohmann::json(options.url);
  if (options.fetch_seconds > 0) body["crl"]["fetch_seconds"] = options.fetch_seconds;
  if (!options.expired_crl.empty()) body["expired_crl"] = options.expired_crl;
  if (body.empty()) return complain("nothing to set: --url, --fetch-seconds or --expired-crl");
  return print_object(api.call("PATCH", anchor_path(options), body));
}

// AnchorCommands declares commands on one tenant's anchors.
struct AnchorCommands {
  Command& group;
  std::shared_ptr<AnchorOptions> options;

  Command declare(const char* verb, const char* help) {
    Command command = group.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant");
    return command;
  }
  Command declare_one(const char* verb, const char* help) {
    Command command = declare(verb, help);
    command.required("anchor", options->anchor, "id of the trust anchor");
    return command;
  }
};

void declare_revocation(AnchorCommands& commands) {
  const auto& options = commands.options;
  Command crl = commands.declare_one("crl", "upload a CRL of the CA or of one of its intermediates");
  crl.required("crl", options->file, "file, PEM or DER");
  run_with_session(crl, options->server, [options](ApiSession& api) { return upload_crl(api, *options); });
  Command crls = commands.declare_one("crls", "list the CRLs that are held");
  run_with_session(crls, options->server, [options](ApiSession& api) {
    return print_list(api.list(anchor_path(*options) + "/crls"),
                      {"issuer_key_sha256", "number", "next_update", "expired", "entries", "source"});
  });
  Command source = commands.declare_one("crl-source", "say where CRLs are fetched and what an expired one means");
  source.option("--url", options->url, "http URL of the CRL, its host allowed by the server; none: no fetching")
      .option("--fetch-seconds", options->fetch_seconds, "how often")
      .option("--expired-crl", options->expired_crl, "fail-closed or last-known-good");
  run_with_session(source, options->server, [options](ApiSession& api) { return set_crl_source(api, *options); });
  Command revoke = commands.declare_one("revoke", "refuse one certificate of this CA from now on");
  revoke.required("certificate", options->file, "PEM file");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return send_pem(api, anchor_path(*options) + "/revocations", "certificate", *options);
  });
}

void declare_devices(AnchorCommands& commands) {
  const auto& options = commands.options;
  Command bind = commands.declare_one("bind", "let a device come by this CA's certificates");
  bind.required("device", options->device, "device")
      .flag("--create", options->create, "make the device where there is none");
  run_with_session(bind, options->server, [options](ApiSession& api) {
    return print_object(api.call("POST", anchor_path(*options) + "/devices",
                                 {{"device", options->device}, {"create", options->create}}));
  });
  Command unbind = commands.declare_one("unbind", "let a device come by this CA no longer");
  unbind.required("device", options->device, "device");
  run_with_session(unbind, options->server, [options](ApiSession& api) {
    return print_object(
        api.call("DELETE", anchor_path(*options) + "/devices/" + http::percent_encode(options->device), nullptr));
  });
  Command devices = commands.declare_one("devices", "list the devices that come by this CA");
  run_with_session(devices, options->server, [options](ApiSession& api) {
    return print_list(api.list(anchor_path(*options) + "/devices"), {"device", "self_registered", "created_at"});
  });
  Command self = commands.declare_one("self-registration", "whether unknown devices register themselves");
  self.required("on-or-off", options->enabled, "on or off")
      .option("--max-devices", options->max_devices, "how many may have registered themselves")
      .option("--devices-per-minute", options->devices_per_minute, "how many may do so in a minute")
      .option("--group", options->group, "group that they come into")
      .options("--deny", options->denied, "device id, or a beginning followed by '*'; may be repeated, replaces all");
  run_with_session(self, options->server, [options](ApiSession& api) { return set_self_registration(api, *options); });
}

}  // namespace

void declare_trust_anchor(Command& root) {
  Command group = root.add_command("trust-anchor", "CAs of a tenant's own PKI, their devices and CRLs");
  AnchorCommands commands{group, std::make_shared<AnchorOptions>()};
  const auto& options = commands.options;
  Command add = commands.declare("add", "add a CA; prints the code that its key must sign");
  add.required("certificates", options->file, "PEM file: the CA, then its intermediates")
      .option("--device-id-from", options->source, "uri-san, dns-san, cn or serial-number")
      .option("--device-id-prefix", options->prefix, "what stands before the device id");
  run_with_session(add, options->server, [options](ApiSession& api) {
    return send_pem(api, anchors_path(*options), "certificates", *options,
                    {{"device_id_from", options->source}, {"device_id_prefix", options->prefix}});
  });
  Command verify = commands.declare_one("verify", "prove that the CA's key is the tenant's");
  verify.required("certificate", options->file, "PEM file: a certificate with the code as its CN, signed by the CA");
  run_with_session(verify, options->server, [options](ApiSession& api) {
    return send_pem(api, anchor_path(*options) + "/verification", "certificate", *options);
  });
  Command code = commands.declare_one("new-code", "another code for a CA that is not verified; the one before ends");
  run_with_session(code, options->server, [options](ApiSession& api) {
    return print_object(api.call("POST", anchor_path(*options) + "/verification-code", nullptr));
  });
  Command set = commands.declare_one("set", "set the status");
  set.required("status", options->status, "active, no-new-devices, suspended or revoked");
  run_with_session(set, options->server, [options](ApiSession& api) {
    return print_object(api.call("PATCH", anchor_path(*options), {{"status", options->status}}));
  });
  declare_devices(commands);
  declare_revocation(commands);
  Command show = commands.declare_one("show", "show one");
  run_with_session(show, options->server,
                   [options](ApiSession& api) { return print_object(api.get(anchor_path(*options))); });
  Command remove = commands.declare_one("delete", "delete one: who came by it stays out");
  run_with_session(remove, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", anchor_path(*options), nullptr));
  });
  Command list = commands.declare("list", "list those of a tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(anchors_path(*options)), {"id", "status", "device_id_from", "not_after", "spki_sha256"});
  });
}

}  // namespace muster::cli
