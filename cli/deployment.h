// SPDX-License-Identifier: Apache-2.0
//
// Purpose: brings a whole deployment up in one folder, in order, under a supervisor: PostgreSQL, schema, keys and
// certificates, server, edge, worker, broker.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/api_session.h"
#include "cli/deployment_folder.h"
#include "cli/private_postgres.h"
#include "cli/supervisor.h"
#include "core/result.h"

namespace muster::cli {

// Deployment is confined to the thread that brings it up; the supervisor forks on its own.
class Deployment {
 public:
  // Both must outlive the object.
  Deployment(const DeploymentFolder& folder, Supervisor& supervisor) : folder_(folder), supervisor_(supervisor) {}

  // Returns when devices can connect. Reasons: those of its steps; child.not_ready names the program and its log.
  Result<void> bring_up();
  // Starts `count` simulated devices of a tenant as one more child. `token_file`: a factory's.
  Result<void> start_devices(const std::string& tenant, const std::string& token_file, long count);
  ServerOptions server_options() const;

 private:
  Result<void> start_database();
  Result<void> start_postgres(const PrivatePostgres& postgres);
  Result<void> start_server();
  Result<void> join_edge_once();
  Result<void> join();
  Result<void> start_edge();
  Result<void> start_program(const std::string& name, const std::vector<std::string>& arguments);
  Result<void> start_broker();
  Result<void> wait_for_http(const std::string& name, const std::string& url) const;
  Result<void> wait_for_port(const std::string& name, std::uint16_t port) const;
  Result<void> wait_until(const std::string& name, const std::function<bool()>& is_ready) const;
  Result<std::string> edge_database_url() const;

  const DeploymentFolder& folder_;
  Supervisor& supervisor_;
};

}  // namespace muster::cli
