// SPDX-License-Identifier: Apache-2.0
#include <exception>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace {

void declare_all(muster::cli::Command& root) {
  using namespace muster::cli;
  declare_up(root);
  declare_server(root);
  declare_edge(root);
  declare_worker(root);
  declare_migrate(root);
  declare_simulate(root);
  declare_doctor(root);
  declare_tenant(root);
  declare_device(root);
  declare_cert(root);
  declare_ca(root);
  declare_issuer(root);
  declare_policy(root);
  declare_group(root);
  declare_grant(root);
  declare_trust_anchor(root);
  declare_profile(root);
  declare_token(root);
  declare_claim(root);
  declare_est(root);
  declare_key(root);
  declare_audit(root);
  declare_log(root);
  declare_stream(root);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return muster::cli::run_command_line(argc, argv, declare_all);
  } catch (const std::exception& failure) {
    // Only libraries throw: the JSON reader at an answer of an unexpected shape, the standard library out of memory.
    return muster::cli::complain(std::string("unexpected failure: ") + failure.what());
  }
}
