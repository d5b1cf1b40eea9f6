// SPDX-License-Identifier: Apache-2.0
#include "registry/idempotency_store.h"

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const std::string kWhere = " WHERE tenant_id = $1::uuid AND caller = $2 AND method = $3 AND path = $4 AND key = $5";
// A claim is known by its time: whoever takes one over does so minutes later.
const std::string kOwnClaim = kWhere + " AND created_at = $6::timestamptz AND status IS NULL";
// A racer waits here for the first one's commit or rollback.
const db::Statement kClaim{"claim_idempotency_key",
                           "INSERT INTO muster.idempotency_records (tenant_id, caller, method, path, key, body_sha256,"
                           " created_at) VALUES ($1::uuid, $2, $3, $4, $5, $6::bytea, $7::timestamptz)"
                           " ON CONFLICT DO NOTHING"};
const db::Statement kRead{"read_idempotency_record",
                          "SELECT body_sha256, created_at, status, content_type, location, body"
                          " FROM muster.idempotency_records" +
                              kWhere + " FOR UPDATE"};
const db::Statement kTakeOver{
    "take_over_idempotency_key",
    "UPDATE muster.idempotency_records SET body_sha256 = $6::bytea,"
    " created_at = $7::timestamptz, status = NULL, content_type = '', location = '', body = ''" +
        kWhere};
const db::Statement kFinish{"finish_idempotency_key",
                            "UPDATE muster.idempotency_records SET status = $7::smallint, content_type = $8,"
                            " location = $9, body = $10::bytea" +
                                kOwnClaim};
const db::Statement kAbandon{"abandon_idempotency_key", "DELETE FROM muster.idempotency_records" + kOwnClaim};
const db::Statement kPrune{"prune_idempotency_records",
                           "DELETE FROM muster.idempotency_records WHERE created_at < $1::timestamptz"};

}  // namespace

Result<std::optional<IdempotentResponse>> begin_idempotent(db::Transaction& tx, const IdempotencyKey& key,
                                                           const Sha256& body_sha256, UtcTime now) {
  MUSTER_TRY(const auto claimed,
             db::run(tx, kClaim, {key.tenant_id, key.caller, key.method, key.path, key.key, body_sha256, now}));
  if (claimed.affected() > 0) return std::optional<IdempotentResponse>{};
  MUSTER_TRY(const auto rows, db::run(tx, kRead, {key.tenant_id, key.caller, key.method, key.path, key.key}));
  if (rows.empty()) return Error{ErrorCode::kConflict, kIdempotencyInProgress, "the record was just pruned"};
  const db::Row row = rows[0];
  const bool in_progress = row.is_null(2);
  const auto age = (now - row.time(1)).count();
  if (age > kIdempotencyKeepSeconds || (in_progress && age > kIdempotencyInProgressSeconds)) {
    MUSTER_TRY_VOID(
        db::run(tx, kTakeOver, {key.tenant_id, key.caller, key.method, key.path, key.key, body_sha256, now}));
    return std::optional<IdempotentResponse>{};
  }
  if (row.sha256(0) != body_sha256) return Error{ErrorCode::kInvalidArgument, kIdempotencyBodyDiffers, ""};
  if (in_progress) return Error{ErrorCode::kConflict, kIdempotencyInProgress, ""};
  return std::optional<IdempotentResponse>{
      {static_cast<int>(row.number(2)), row.text(3), row.text(4), std::string(as_text(row.bytes_view(5)))}};
}

Result<void> finish_idempotent(db::Transaction& tx, const IdempotencyKey& key, UtcTime claimed_at,
                               const IdempotentResponse& response) {
  MUSTER_TRY(const auto rows,
             db::run(tx, kFinish,
                     {key.tenant_id, key.caller, key.method, key.path, key.key, claimed_at, response.status,
                      response.content_type, response.location, as_bytes(response.body)}));
  if (rows.affected() == 0) return Error{ErrorCode::kConflict, kIdempotencyInProgress, "taken over meanwhile"};
  return {};
}

Result<void> abandon_idempotent(db::Transaction& tx, const IdempotencyKey& key, UtcTime claimed_at) {
  MUSTER_TRY_VOID(db::run(tx, kAbandon, {key.tenant_id, key.caller, key.method, key.path, key.key, claimed_at}));
  return {};
}

Result<std::size_t> prune_idempotency_records(db::Transaction& tx, UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {now - std::chrono::seconds(kIdempotencyKeepSeconds)}));
  return rows.affected();
}

}  // namespace muster::registry
