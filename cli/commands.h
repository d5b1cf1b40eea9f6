// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the subcommands of `muster`; each is declared in the file of its name.
#pragma once

#include "cli/command_line.h"

namespace muster::cli {

void declare_up(Command& root);
void declare_server(Command& root);
void declare_edge(Command& root);
void declare_worker(Command& root);
void declare_migrate(Command& root);
void declare_simulate(Command& root);
void declare_doctor(Command& root);
void declare_tenant(Command& root);
void declare_device(Command& root);
void declare_cert(Command& root);
void declare_ca(Command& root);
void declare_issuer(Command& root);
void declare_policy(Command& root);
void declare_group(Command& root);
void declare_grant(Command& root);
void declare_trust_anchor(Command& root);
void declare_profile(Command& root);
void declare_token(Command& root);
void declare_claim(Command& root);
void declare_est(Command& root);
void declare_key(Command& root);
void declare_audit(Command& root);
void declare_log(Command& root);
void declare_stream(Command& root);

}  // namespace muster::cli
