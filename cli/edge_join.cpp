// SPDX-License-Identifier: Apache-2.0
#include "cli/edge_join.h"

#include <nlohmann/json.hpp>

#include "cli/device_key.h"
#include "cli/reasons.h"
#include "core/file.h"
#include "http/client.h"

namespace muster::cli {
namespace {

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode);
}

// The part of the answer at `pointer` as text; empty where it is absent.
std::string text_at(const nlohmann::json& answer, const char* pointer) {
  const nlohmann::json::json_pointer where(pointer);
  return answer.contains(where) && answer.at(where).is_string() ? answer.at(where).get<std::string>() : std::string();
}

Result<nlohmann::json> send_request(const EdgeJoinRequest& request, const nlohmann::json& body) {
  http::ClientConfig config;
  config.base_url = request.server_url;
  config.ca_file = request.infrastructure_root_file;
  MUSTER_TRY(http::Client client, http::Client::create(std::move(config)));
  http::ClientRequest join;
  join.method = "POST";
  join.target = "/v1/edge/join";
  join.body = body.dump();
  MUSTER_TRY(const http::ClientResponse response, client.send(join));
  nlohmann::json answer = nlohmann::json::parse(response.body, nullptr, false);
  if (response.status >= 300) {
    return Error{ErrorCode::kPermissionDenied, kServerRefused,
                 "the server refused to let this edge join: " + text_at(answer, "/reason") + " " +
                     text_at(answer, "/detail") + "; a join token works once, `muster edge create` makes a new one"};
  }
  for (const char* part : {"/edge_id", "/certificate", "/broker_certificate", "/database/role", "/database/password"}) {
    if (!text_at(answer, part).empty()) continue;
    return Error{ErrorCode::kCorrupt, kAnswerMalformed, std::string("the answer to the join lacks ") + part};
  }
  return answer;
}

}  // namespace

Result<JoinedEdge> join_edge(const EdgeJoinRequest& request) {
  MUSTER_TRY(const KeyAndRequest edge, make_key_and_request("edge"));
  MUSTER_TRY(const KeyAndRequest broker, make_key_and_request("broker"));
  MUSTER_TRY(const nlohmann::json answer, send_request(request, {{"join_token", request.join_token},
                                                                 {"csr", edge.request_pem},
                                                                 {"broker_csr", broker.request_pem},
                                                                 {"broker_names", request.broker_names}}));
  const std::string base = request.folder + "/";
  const JoinedEdge joined{text_at(answer, "/edge_id"), text_at(answer, "/database/role"), base + "edge.pgpass"};
  MUSTER_TRY_VOID(write_text(base + "edge.key", edge.key_pem, 0600));
  MUSTER_TRY_VOID(write_text(base + "broker.key", broker.key_pem, 0600));
  MUSTER_TRY_VOID(
      write_text(base + "broker.pem", text_at(answer, "/broker_certificate") + text_at(answer, "/broker_chain"), 0644));
  MUSTER_TRY_VOID(write_text(base + "device-root.pem", text_at(answer, "/device_issuers_root"), 0644));
  MUSTER_TRY_VOID(write_text(base + "infrastructure-root.pem", text_at(answer, "/infrastructure_root"), 0644));
  MUSTER_TRY_VOID(write_text(joined.password_file,
                             "*:*:*:" + joined.database_role + ":" + text_at(answer, "/database/password") + "\n",
                             0600));
  // Last: whoever finds it finds the rest as well.
  MUSTER_TRY_VOID(write_text(base + "edge.pem", text_at(answer, "/certificate") + text_at(answer, "/chain"), 0644));
  return joined;
}

}  // namespace muster::cli
