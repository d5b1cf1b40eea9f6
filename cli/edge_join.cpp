// SPDX-License-Identifier: Apache-2.0
#include "cli/edge_join.h"

#include "cli/device_key.h"
#include "core/file.h"
#include "edge/agent/join.h"
#include "http/client.h"

namespace muster::cli {
namespace {

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode);
}

Result<edge::JoinAnswer> send_request(const EdgeJoinRequest& request, const std::string& edge_csr,
                                      const std::string& broker_csr) {
  http::ClientConfig config;
  config.base_url = request.server_url;
  config.ca_file = request.infrastructure_root_file;
  MUSTER_TRY(http::Client client, http::Client::create(std::move(config)));
  return edge::join(client, {request.join_token, edge_csr, broker_csr});
}

}  // namespace

Result<JoinedEdge> join_edge(const EdgeJoinRequest& request) {
  MUSTER_TRY(const KeyAndRequest edge, make_key_and_request("edge"));
  MUSTER_TRY(const KeyAndRequest broker, make_key_and_request("broker"));
  const std::string broker_csr = request.without_broker_certificate ? "" : broker.request_pem;
  MUSTER_TRY(const edge::JoinAnswer answer, send_request(request, edge.request_pem, broker_csr));
  const std::string base = request.folder + "/";
  const JoinedEdge joined{answer.edge_id, answer.database_role, base + "edge.pgpass"};
  MUSTER_TRY_VOID(write_text(base + "edge.key", edge.key_pem, 0600));
  if (!request.without_broker_certificate) {
    MUSTER_TRY_VOID(write_text(base + "broker.key", broker.key_pem, 0600));
    MUSTER_TRY_VOID(write_text(base + "broker.pem", answer.broker_certificate + answer.broker_chain, 0644));
  }
  MUSTER_TRY_VOID(write_text(base + "device-root.pem", answer.device_issuers_root, 0644));
  MUSTER_TRY_VOID(write_text(base + "infrastructure-root.pem", answer.infrastructure_root, 0644));
  MUSTER_TRY_VOID(
      write_text(base + "heartbeat.pub",
                 "# The broker believes heartbeats for this edge that this key signed (plugin_opt_heartbeat_key_file)."
                 "\nedge " +
                     answer.edge_id + "\ned25519 " + answer.heartbeat_key + "\n",
                 0644));
  MUSTER_TRY_VOID(
      write_text(joined.password_file, "*:*:*:" + joined.database_role + ":" + answer.database_password + "\n", 0600));
  // Last: whoever finds it finds the rest as well.
  MUSTER_TRY_VOID(write_text(base + "edge.pem", answer.certificate + answer.chain, 0644));
  return joined;
}

}  // namespace muster::cli
