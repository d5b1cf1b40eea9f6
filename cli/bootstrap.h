// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a deployment has before its server can start: the key-encryption key, the two hierarchies, the server's
// own certificate and the first administrator's token. Every step is done once; calling it again changes nothing.
#pragma once

#include <string>

#include "cli/deployment_folder.h"
#include "core/result.h"

namespace muster::cli {

struct BootstrapRequest {
  std::string owner_database_url;   // for migrations
  std::string server_database_url;  // as the server logs in
  std::string trust_domain;
  std::string plain_url;  // base of the CRL pointers in certificates
};

// migrate_database brings the database to this program's schema. Reasons: migration.*, database.unavailable.
Result<void> migrate_database(const std::string& owner_database_url);

// initialise_deployment makes what is missing. Reasons: file.*, those of enroll::RegistrationAuthority and registry.
Result<void> initialise_deployment(const DeploymentFolder& folder, const BootstrapRequest& request);

}  // namespace muster::cli
