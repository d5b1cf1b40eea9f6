// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/join.h"

#include <nlohmann/json.hpp>

namespace muster::edge {
namespace {

using Json = nlohmann::json;

std::string text_or_empty(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

Error refused(const http::ClientResponse& answer) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  const std::string reason = problem.is_object() ? text_or_empty(problem, "reason") : "";
  return Error{ErrorCode::kPermissionDenied, "edge.join_refused",
               "status " + std::to_string(answer.status) + (reason.empty() ? "" : ", " + reason)};
}

}  // namespace

Result<JoinAnswer> join(http::Client& client, const JoinRequest& request) {
  Json body = {{"join_token", request.join_token}, {"csr", request.csr}};
  if (!request.broker_csr.empty()) body["broker_csr"] = request.broker_csr;
  http::ClientRequest post;
  post.method = "POST";
  post.target = "/v1/edge/join";
  post.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  MUSTER_TRY(const http::ClientResponse answer, client.send(post));
  if (answer.status / 100 != 2) return refused(answer);

  const Json object = Json::parse(answer.body, nullptr, false);
  const Json database = object.is_object() ? object.value("database", Json::object()) : Json::object();
  if (!object.is_object() || !database.is_object()) {
    return Error{ErrorCode::kCorrupt, "edge.join_malformed", "the answer is not what a server sends"};
  }
  JoinAnswer joined{text_or_empty(object, "edge_id"),
                    text_or_empty(object, "certificate"),
                    text_or_empty(object, "chain"),
                    text_or_empty(object, "broker_certificate"),
                    text_or_empty(object, "broker_chain"),
                    text_or_empty(object, "infrastructure_root"),
                    text_or_empty(object, "device_issuers_root"),
                    text_or_empty(object, "heartbeat_key"),
                    text_or_empty(database, "role"),
                    text_or_empty(database, "password")};
  const bool complete = !joined.edge_id.empty() && !joined.heartbeat_key.empty() && !joined.certificate.empty() &&
                        !joined.infrastructure_root.empty() && !joined.database_role.empty() &&
                        !joined.database_password.empty() &&
                        (request.broker_csr.empty() || !joined.broker_certificate.empty());
  if (!complete) return Error{ErrorCode::kCorrupt, "edge.join_malformed", "the answer lacks a field"};
  return joined;
}

}  // namespace muster::edge
