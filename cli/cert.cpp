// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/device_key.h"
#include "cli/output.h"
#include "core/file.h"

namespace muster::cli {
namespace {

struct CertOptions {
  ServerOptions server;
  std::string tenant;
  std::string device;
  std::string id;
  std::string csr_file;
  std::string key_file;
  std::string out_file;
  std::string reason = "unspecified";
};

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode);
}

// The request from --csr, or a new key in --key and its request.
Result<std::string> obtain_request(const CertOptions& options) {
  if (!options.csr_file.empty()) {
    MUSTER_TRY(const Bytes csr, read_file(options.csr_file, 64 * 1024));
    return std::string(csr.begin(), csr.end());
  }
  MUSTER_TRY(const KeyAndRequest made, make_key_and_request(options.device));
  MUSTER_TRY_VOID(write_text(options.key_file, made.key_pem, 0600));
  return made.request_pem;
}

int issue(ApiSession& api, const CertOptions& options) {
  if (options.csr_file.empty() == options.key_file.empty()) {
    return complain("give either --csr FILE (a request you made), or --key FILE (where a new key is to be written)");
  }
  const auto request = obtain_request(options);
  if (!request.ok()) return complain(request.error());
  const auto issued =
      api.call("POST", device_path(options.tenant, options.device) + "/certificates", {{"csr", *request}});
  if (!issued.ok()) return complain(issued.error());
  const std::string pem = issued->value("certificate", "") + issued->value("chain", "");
  if (options.out_file.empty()) {
    say(pem);
    return 0;
  }
  const auto written = write_text(options.out_file, pem, 0644);
  if (!written.ok()) return complain(written.error());
  say("certificate " + issued->value("id", "") + ", valid until " + issued->value("not_after", "") + ", is in " +
      options.out_file);
  return 0;
}

}  // namespace

void declare_cert(Command& root) {
  Command cert = root.add_command("cert", "issue, list, show, revoke certificates");
  auto options = std::make_shared<CertOptions>();

  Command issue_command = cert.add_command("issue", "issue a certificate for a device");
  issue_command.required("tenant", options->tenant, "tenant").required("device", options->device, "device");
  issue_command.option("--csr", options->csr_file, "PEM file with a certificate request")
      .option("--key", options->key_file, "make a new P-256 key and write it here")
      .option("--out", options->out_file, "file for certificate and chain; default: standard output");
  run_with_session(issue_command, options->server, [options](ApiSession& api) { return issue(api, *options); });

  Command list = cert.add_command("list", "list the certificates of a tenant");
  list.required("tenant", options->tenant, "tenant").option("--device", options->device, "of this device only");
  run_with_session(list, options->server, [options](ApiSession& api) {
    const std::string query = options->device.empty() ? "" : "?device=" + http::percent_encode(options->device);
    return print_list(api.list(tenant_path(options->tenant) + "/certificates" + query),
                      {"device", "status", "not_after", "revocation_reason", "serial", "id"});
  });

  Command show = cert.add_command("show", "show one certificate");
  show.required("tenant", options->tenant, "tenant").required("certificate", options->id, "id or serial");
  run_with_session(show, options->server, [options](ApiSession& api) {
    return print_object(api.get(tenant_path(options->tenant) + "/certificates/" + http::percent_encode(options->id)));
  });

  Command revoke = cert.add_command("revoke", "revoke one certificate; its connections are cut at once");
  revoke.required("tenant", options->tenant, "tenant").required("certificate", options->id, "id or serial");
  revoke.option("--reason", options->reason, "RFC 5280 reason, for example keyCompromise, superseded");
  run_with_session(revoke, options->server, [options](ApiSession& api) {
    return print_object(api.call(
        "POST", tenant_path(options->tenant) + "/certificates/" + http::percent_encode(options->id) + "/revocation",
        {{"reason", options->reason}}));
  });
}

}  // namespace muster::cli
