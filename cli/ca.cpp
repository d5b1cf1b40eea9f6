// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/local_authority.h"
#include "cli/output.h"
#include "core/file.h"
#include "enroll/offline_root.h"

namespace muster::cli {
namespace {

constexpr std::size_t kLargestChain = 128 * 1024;

struct CaOptions {
  std::string config;
  bool offline_root = false;
  std::string request_file;
  std::string chain_file;
};

int init(const CaOptions& options) {
  if (options.offline_root == options.request_file.empty()) {
    return complain("--offline-root and --request FILE belong together");
  }
  const auto local = open_local_authority(options.config);
  if (!local.ok()) return complain(local.error());
  enroll::RegistrationAuthority& authority = *(*local)->authority;
  const auto mode = options.offline_root ? enroll::DeviceRoot::kOffline : enroll::DeviceRoot::kAsStored;
  const auto ready = authority.initialise_deployment(mode);
  if (!ready.ok()) return complain(ready.error());
  if (!options.offline_root) {
    say("the deployment has its CAs");
    return 0;
  }
  const auto request = enroll::OfflineRoot(authority).request_pem();
  if (!request.ok()) return complain(request.error());
  const auto written = write_file_durably(options.request_file, as_bytes(*request), 0644);
  if (!written.ok()) return complain(written.error());
  say("the platform CA's request is in " + options.request_file);
  say("have the offline root sign it (CA:TRUE, path length 2 or more; docs/offline-root.md shows how), then");
  say("  muster ca install CHAIN --config " + options.config);
  say("with a PEM file of the certificate, those above it, and the root. Until then nothing is issued to devices.");
  return 0;
}

int install(const CaOptions& options) {
  const auto chain = read_file(options.chain_file, kLargestChain);
  if (!chain.ok()) return complain(chain.error());
  const auto local = open_local_authority(options.config);
  if (!local.ok()) return complain(local.error());
  enroll::RegistrationAuthority& authority = *(*local)->authority;
  const auto ready = authority.initialise_deployment();
  if (!ready.ok()) return complain(ready.error());
  const auto issuer = enroll::OfflineRoot(authority).install(as_text(*chain));
  if (!issuer.ok()) return complain(issuer.error());
  say("installed: the platform CA signs until " + to_rfc3339(issuer->not_after) + "; a running server uses it at once");
  return 0;
}

}  // namespace

void declare_ca(Command& root) {
  auto options = std::make_shared<CaOptions>();
  Command ca = root.add_command("ca", "the platform's CAs, on the server's host");

  Command init_command =
      ca.add_command("init", "make the platform's CAs; with --offline-root, a request instead of a root");
  init_command.required("--config", options->config, "the server's TOML file");
  init_command.flag("--offline-root", options->offline_root, "the device root's key is kept elsewhere");
  init_command.option("--request", options->request_file, "where the platform CA's request is written, PEM");
  init_command.run([options] { return init(*options); });

  Command install_command =
      ca.add_command("install", "take the platform CA's certificate that the offline root signed");
  install_command.required("chain", options->chain_file, "PEM file: the certificate, those above it, the root last");
  install_command.required("--config", options->config, "the server's TOML file");
  install_command.run([options] { return install(*options); });
}

}  // namespace muster::cli
