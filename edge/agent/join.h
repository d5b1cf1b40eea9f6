// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how a broker host becomes an edge: its one-time join token buys an infrastructure certificate, a certificate
// for the broker's listener and a role in the log's database. Keys are made on this host and never leave it: the caller
// brings requests (CSRs).
#pragma once

#include <string>

#include "http/client.h"

namespace muster::edge {

struct JoinRequest {
  std::string join_token;
  std::string csr;         // PEM, of the edge's key
  std::string broker_csr;  // PEM; empty: no broker certificate is wanted. Its names stand with the edge on the server
};

struct JoinAnswer {
  std::string edge_id;
  std::string certificate;  // PEM, all of these
  std::string chain;
  std::string broker_certificate;  // empty where none was asked for
  std::string broker_chain;
  std::string infrastructure_root;
  std::string device_issuers_root;  // empty where the server sent none
  std::string heartbeat_key;        // base64 of the public key that brokers know the server's heartbeats by
  std::string database_role;
  std::string database_password;
};

// `client` reaches the server's REST listener and must verify it: the token is a secret. A token works once: after
// OutcomeUnknown (the connection broke) a new edge is needed.
// Reasons: edge.join_refused (the detail has the server's own reason), edge.join_malformed, those of Client::send.
Result<JoinAnswer> join(http::Client& client, const JoinRequest& request);

}  // namespace muster::edge
