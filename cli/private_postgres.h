// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a PostgreSQL that belongs to one deployment folder: reachable only through a Unix socket, by the operating
// system's users that may, and by edges with their passwords.
#pragma once

#include <chrono>
#include <string>

#include "cli/deployment_folder.h"
#include "cli/supervisor.h"
#include "core/result.h"

namespace muster::cli {

// PrivatePostgres describes the database of a folder; it starts nothing by itself.
class PrivatePostgres {
 public:
  // Finds the newest installed server. Reason: program.missing.
  static Result<PrivatePostgres> find(const DeploymentFolder& folder);

  // Makes the database cluster if there is none yet, and writes its configuration. Reasons: child.*, folder.unusable.
  Result<void> prepare() const;
  Service service() const;
  // Waits until it answers and makes the database `muster` if it is missing.
  // Reason: child.not_ready.
  Result<void> wait_ready(const Supervisor& supervisor, std::chrono::milliseconds limit) const;

  // A libpq connection string; `user` is "postgres" (owner), "muster_server" or "muster_worker", which need no
  // password.
  std::string url(const std::string& user) const;
  std::string edge_url(const std::string& role, const std::string& password) const;

 private:
  PrivatePostgres(const DeploymentFolder& folder, std::string programs)
      : folder_(&folder), programs_(std::move(programs)), data_(folder.database_folder() + "/data") {}
  ChildSpec as_database_user(std::vector<std::string> arguments) const;
  Result<std::string> query(const std::string& database, const std::string& sql) const;
  const DeploymentFolder* folder_;
  std::string programs_;  // folder of initdb, postgres, psql
  std::string data_;
};

// quote_connection_value quotes one value of a libpq connection string (PostgreSQL 15, section 34.1.1.1).
std::string quote_connection_value(const std::string& value);

}  // namespace muster::cli
