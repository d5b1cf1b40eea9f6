// SPDX-License-Identifier: Apache-2.0
#include "api/idempotency.h"

#include <algorithm>

#include "api/reasons.h"
#include "core/log.h"
#include "registry/idempotency_store.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxKeyLength = 255;

Result<registry::IdempotencyKey> read_key(const Call& call) {
  const std::string_view text = call.request.header("idempotency-key").value_or("");
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || text.size() > kMaxKeyLength || !printable) {
    return Error{ErrorCode::kInvalidArgument, reasons::kIdempotencyKey, "1 to 255 printable ASCII characters"};
  }
  registry::IdempotencyKey key;
  if (call.tenant_of_path) key.tenant_id = call.tenant().id;
  key.caller = call.who.caller.audit_name();
  key.method = call.request.method;
  key.path = call.request.target;
  key.key = text;
  return key;
}

std::string header_value(const http::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

http::Response replay(const registry::IdempotentResponse& stored) {
  http::Response response = http::json_response(stored.status, stored.body);
  response.content_type = stored.content_type;
  if (!stored.location.empty()) response.headers.emplace_back("location", stored.location);
  response.headers.emplace_back("idempotency-replayed", "true");
  return response;
}

// An answer that was lost on its way must not make the work be done twice, but a secret is stored nowhere.
constexpr int kSecretStatus = 409;

struct Claim {
  registry::IdempotencyKey key;
  UtcTime claimed_at{};
};

Result<void> keep(Call& call, const Claim& claim, const Operation& operation, const http::Response& response) {
  registry::IdempotentResponse stored;
  const bool secret = operation.replay == Replay::kRefuse;
  stored.status = secret ? kSecretStatus : response.status;
  stored.content_type = secret ? "" : response.content_type;
  stored.location = header_value(response, "location");
  if (!secret) stored.body = response.body;
  return db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
    return registry::finish_idempotent(tx, claim.key, claim.claimed_at, stored);
  });
}

Result<void> give_up(Call& call, const Claim& claim) {
  return db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
    return registry::abandon_idempotent(tx, claim.key, claim.claimed_at);
  });
}

}  // namespace

Result<http::Response> run_idempotent(Call& call, const Operation& operation) {
  static const Log log{"api"};
  Claim claim;
  MUSTER_TRY(claim.key, read_key(call));
  claim.claimed_at = call.now();
  MUSTER_TRY(const std::string_view body, call.request.body.view());
  const Sha256 body_sha256 = x509::sha256(as_bytes(body));
  MUSTER_TRY(const auto stored, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::begin_idempotent(tx, claim.key, body_sha256, claim.claimed_at);
             }));
  if (stored && stored->status == kSecretStatus) {
    return Error{ErrorCode::kConflict, reasons::kShownOnce,
                 "done before; its answer held a secret: " + stored->location};
  }
  if (stored && operation.replay_from) return operation.replay_from(call, stored->location);
  if (stored) return replay(*stored);

  auto response = operation.handle(call);
  if (response.ok() && response->status < 300) {
    auto kept = keep(call, claim, operation, *response);
    if (!kept.ok()) log.error("answer not kept", {{"error", to_log_text(kept.error())}});
    return response;
  }
  // The work may have been done: the claim stays until it counts as dead.
  if (!response.ok() && response.error().code == ErrorCode::kOutcomeUnknown) return response;
  const auto abandoned = give_up(call, claim);
  if (!abandoned.ok()) log.error("claim not given up", {{"error", to_log_text(abandoned.error())}});
  return response;
}

}  // namespace muster::api
