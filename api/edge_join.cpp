// SPDX-License-Identifier: Apache-2.0
//
// A join token becomes an edge: client certificate, optionally the broker's TLS certificate, and a database role.
#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "core/log.h"
#include "core/random.h"
#include "enroll/heartbeat_signer.h"
#include "registry/edge_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::size_t kPasswordOctets = 32;
constexpr std::size_t kMaxJoinBytes = 64u << 10;

struct JoinRequest {
  Sha256 token{};
  std::string csr;
  std::optional<std::string> broker_csr;
};

struct Joined {
  registry::Edge edge;
  enroll::IssuedCertificate client;
  std::optional<enroll::IssuedCertificate> broker;
  std::string role;
  std::string password;
  std::string device_root;
  Bytes heartbeat_key;
};

Result<JoinRequest> read_request(const http::Request& request) {
  MUSTER_TRY(const std::string_view text, request.body.view());
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  JoinRequest join;
  const std::string token = body.required_string("join_token");
  join.csr = body.required_string("csr");
  join.broker_csr = body.optional_string("broker_csr");
  MUSTER_TRY_VOID(body.finish());
  const auto hashed = hash_token(token);
  if (!hashed.ok()) return Error{ErrorCode::kUnauthenticated, registry::kJoinTokenInvalid, ""};
  join.token = *hashed;
  return join;
}

// Whose token it is, without spending it: a certificate request that is refused must not cost the token. The redeeming
// transaction is rolled back by the error it ends with.
Result<registry::Edge> peek(ApiContext& context, const Sha256& token) {
  constexpr std::string_view kRollBack = "edge.join_peek";
  std::optional<registry::Edge> edge;
  auto outcome = db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(edge, registry::redeem_join_token(tx, token, context.clock.now()));
    return Error{ErrorCode::kConflict, kRollBack, ""};
  });
  if (!edge || outcome.ok() || outcome.error().reason != kRollBack) return std::move(outcome).error();
  return std::move(*edge);
}

registry::AuditEvent join_event(ApiContext& context, const http::Request& request, const registry::Edge& edge) {
  registry::AuditEvent event;
  event.at = context.clock.now_micros();
  event.actor = "edge:" + edge.id.text();
  event.action = "edge.join";
  event.target = "edge:" + edge.id.text();
  event.target_name = edge.name;
  event.detail.emplace_back(registry::AuditField::kRequestId, request.request_id);
  event.detail.emplace_back(registry::AuditField::kSourceAddress, request.remote_address);
  return event;
}

// The certificates are issued first and are good for nothing until the edge is joined, which the last transaction does;
// of two that race with one token, one gets its answer and the other's certificates were shown to nobody.
Result<Joined> join(ApiContext& context, const http::Request& request, const JoinRequest& wanted) {
  Joined joined;
  MUSTER_TRY(joined.edge, peek(context, wanted.token));
  if (wanted.broker_csr && joined.edge.broker_names.empty()) {
    return Error{ErrorCode::kFailedPrecondition, registry::kEdgeBrokerNamesMissing,
                 "the edge was created without names for its broker"};
  }
  MUSTER_TRY(joined.device_root, context.authority.device_root_pem());
  MUSTER_TRY(joined.heartbeat_key, enroll::HeartbeatSigner(context.authority).public_key());
  enroll::Caller caller;
  caller.role = enroll::CallerRole::kEdge;
  caller.edge = joined.edge.id;
  caller.request_id = request.request_id;
  enroll::InfrastructureRequest client{enroll::InfrastructureRole::kEdge, wanted.csr, {}, joined.edge.id};
  MUSTER_TRY(joined.client, context.authority.issue_infrastructure(caller, client));
  if (wanted.broker_csr) {
    // The administrator's choice when the edge was created: the holder of the token names nothing.
    enroll::InfrastructureRequest broker{enroll::InfrastructureRole::kBroker, *wanted.broker_csr,
                                         joined.edge.broker_names, joined.edge.id};
    MUSTER_TRY(joined.broker, context.authority.issue_infrastructure(caller, broker));
  }
  joined.password = to_base64url(random_bytes(kPasswordOctets));
  MUSTER_TRY_VOID(db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto edge, registry::redeem_join_token(tx, wanted.token, context.clock.now()));
    MUSTER_TRY(joined.role, registry::create_edge_role(tx, edge.id, joined.password));
    return append_event(tx, join_event(context, request, edge));
  }));
  return joined;
}

http::Response joined_response(ApiContext& context, const Joined& joined) {
  JsonWriter out;
  out.object([&] {
    out.field("edge_id", joined.edge.id.text())
        .field("certificate", joined.client.certificate_pem)
        .field("chain", joined.client.chain_pem);
    if (joined.broker) {
      out.field("broker_certificate", joined.broker->certificate_pem).field("broker_chain", joined.broker->chain_pem);
    }
    out.field("infrastructure_root", context.authority.infrastructure_root_pem())
        .field("device_issuers_root", joined.device_root)
        .field("heartbeat_key", to_base64(joined.heartbeat_key));
    out.key("database").object([&] { out.field("role", joined.role).field("password", joined.password); });
  });
  http::Response response = http::json_response(200, out.take());
  response.headers.emplace_back("cache-control", "no-store");
  return response;
}

http::Response answer(ApiContext& context, const http::Request& request) {
  static const Log log{"api"};
  // Nobody is authenticated here but by the token in the body, so the source pays for every attempt.
  if (!context.by_source.take(request.remote_address, std::chrono::steady_clock::now())) {
    return to_problem({ErrorCode::kResourceExhausted, reasons::kRateLimited, "too many requests"}, request.request_id);
  }
  auto wanted = read_request(request);
  if (!wanted.ok()) return to_problem(wanted.error(), request.request_id);
  auto joined = join(context, request, *wanted);
  if (joined.ok()) return joined_response(context, *joined);
  log.warning("edge not joined", {{"request_id", request.request_id}, {"error", to_log_text(joined.error())}});
  return to_problem(joined.error(), request.request_id);
}

}  // namespace

void add_edge_join(ApiContext& context, http::Router& router) {
  http::Route route;
  route.method = "POST";
  route.pattern = "/v1/edge/join";
  route.max_body_bytes = kMaxJoinBytes;
  route.handler = [&context](const http::Request& request) { return answer(context, request); };
  router.add(std::move(route));
}

}  // namespace muster::api
