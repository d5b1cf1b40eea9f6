// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace muster::cli {

struct EdgeJoinRequest {
  std::string server_url;                // REST listener
  std::string infrastructure_root_file;  // to verify the server with
  std::string join_token;
  std::string folder;                       // where keys and certificates are written
  bool without_broker_certificate = false;  // the broker has one of another authority
};

struct JoinedEdge {
  std::string edge_id;
  std::string database_role;
  std::string password_file;  // libpq's passfile, 0600: the password stands in no configuration
};

// join_edge makes the edge's and its broker's keys here, sends the requests with the join token and writes edge.key,
// edge.pem, broker.key and broker.pem (unless without), device-root.pem, infrastructure-root.pem, heartbeat.pub (by
// which the broker knows the server's heartbeats; edge/agent must not be able to change it) and edge.pgpass into the
// folder. Reasons: those of edge::join, http.*, file.write_failed, key.unusable.
Result<JoinedEdge> join_edge(const EdgeJoinRequest& request);

}  // namespace muster::cli
