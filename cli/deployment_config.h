// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/deployment_folder.h"
#include "core/result.h"

namespace muster::cli {

inline constexpr const char* kLocalTrustDomain = "muster.internal";

struct DatabaseUrls {
  std::string server;
  std::string worker;
  std::string edge;  // with passfile=, not with the password
};

// write_configs writes config/server.toml, config/worker.toml, config/edge.toml and config/mosquitto.conf of a folder:
// at every start, so that they fit this version of the program. Reasons: program.missing (the plugin),
// file.write_failed.
Result<void> write_configs(const DeploymentFolder& folder, const DatabaseUrls& urls);

// toml_string quotes a basic string (TOML 1.0).
std::string toml_string(const std::string& text);

}  // namespace muster::cli
