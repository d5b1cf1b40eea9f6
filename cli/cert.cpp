// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <sstream>
#include <thread>

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
  // Of many: a file of serials, or criteria.
  std::string serials_file;
  std::string issuer;
  std::string of_device;
  std::string group;
  std::string expires_before;
  std::string not_before_after;
  std::string not_before_before;
  bool dry_run = false;
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

// One serial a line, with or without colons and in either case, as other tools print them; blank lines are skipped.
Result<std::vector<std::string>> read_serials(const std::string& path) {
  MUSTER_TRY(const Bytes octets, read_file(path, 8u << 20));
  std::istringstream lines{std::string(octets.begin(), octets.end())};
  std::vector<std::string> serials;
  for (std::string line; std::getline(lines, line);) {
    std::erase_if(line, [](unsigned char c) { return c == ':' || std::isspace(c) != 0; });
    std::ranges::transform(line, line.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!line.empty()) serials.push_back(line);
  }
  return serials;
}

// What the server is asked for; empty object: nothing was selected.
Result<nlohmann::json> selection(const CertOptions& options) {
  nlohmann::json body = nlohmann::json::object();
  if (!options.serials_file.empty()) {
    MUSTER_TRY(body["serials"], read_serials(options.serials_file));
    return body;
  }
  nlohmann::json query = nlohmann::json::object();
  const std::pair<const char*, const std::string*> criteria[] = {{"issuer", &options.issuer},
                                                                 {"device", &options.of_device},
                                                                 {"group", &options.group},
                                                                 {"expires_before", &options.expires_before},
                                                                 {"not_before_after", &options.not_before_after},
                                                                 {"not_before_before", &options.not_before_before}};
  for (const auto& [name, value] : criteria) {
    if (!value->empty()) query[name] = *value;
  }
  if (!query.empty()) body["query"] = query;
  return body;
}

// Shows the progress of what outlasts the first answer until it is done.
int follow(ApiSession& api, const CertOptions& options, nlohmann::json work) {
  const std::string path = tenant_path(options.tenant) + "/revocations/" + work.value("id", "");
  while (work.value("status", "") == "running") {
    say("revoked so far: " + std::to_string(work.value("revoked", 0)));
    std::this_thread::sleep_for(std::chrono::seconds{1});
    const auto next = api.get(path);
    if (!next.ok()) return complain(next.error());
    work = *next;
  }
  return print_object(Result<nlohmann::json>{std::move(work)});
}

int revoke(ApiSession& api, const CertOptions& options) {
  auto body = selection(options);
  if (!body.ok()) return complain(body.error());
  if (options.id.empty() == body->empty()) {
    return complain("name one certificate, or many by --file or by criteria (--issuer, --device, --group, …)");
  }
  if (!options.id.empty()) {
    if (options.dry_run) return complain("--dry-run goes with --file or criteria");
    return print_object(api.call(
        "POST", tenant_path(options.tenant) + "/certificates/" + http::percent_encode(options.id) + "/revocation",
        {{"reason", options.reason}}));
  }
  (*body)["reason"] = options.reason;
  if (options.dry_run) (*body)["dry_run"] = true;
  auto answer = api.call("POST", tenant_path(options.tenant) + "/revocations", *body);
  if (!answer.ok() || options.dry_run) return print_object(answer);
  return follow(api, options, std::move(*answer));
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

  Command revoke_command =
      cert.add_command("revoke", "revoke one certificate or many; their connections are cut at once");
  revoke_command.required("tenant", options->tenant, "tenant").option("certificate", options->id, "id or serial");
  revoke_command.option("--reason", options->reason, "RFC 5280 reason, for example keyCompromise, superseded")
      .option("--file", options->serials_file, "many: a file with one serial a line")
      .option("--issuer", options->issuer, "many: of this issuer (id)")
      .option("--device", options->of_device, "many: of this device")
      .option("--group", options->group, "many: of devices in this group")
      .option("--expires-before", options->expires_before, "many: that end before this time (RFC 3339)")
      .option("--not-before-after", options->not_before_after, "many: issued at or after this time")
      .option("--not-before-before", options->not_before_before, "many: issued before this time")
      .flag("--dry-run", options->dry_run, "many: show what would be revoked, change nothing");
  run_with_session(revoke_command, options->server, [options](ApiSession& api) { return revoke(api, *options); });
}

}  // namespace muster::cli
