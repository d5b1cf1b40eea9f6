// SPDX-License-Identifier: Apache-2.0
#include "registry/heartbeat_key_store.h"

#include "db/statement.h"

namespace muster::registry {

namespace {

const db::Statement kFind{"find_heartbeat_key", "SELECT id, public_key, kek_id, blob FROM muster.heartbeat_key"};
const db::Statement kOffer{"offer_heartbeat_key",
                           "INSERT INTO muster.heartbeat_key (id, public_key, kek_id, blob)"
                           " VALUES ($1::uuid, $2::bytea, $3, $4::bytea) ON CONFLICT DO NOTHING"};
const db::Statement kRewrap{"rewrap_heartbeat_key",
                            "UPDATE muster.heartbeat_key SET kek_id = $2, blob = $3::bytea"
                            " WHERE id = $1::uuid AND kek_id = $4"};

}  // namespace

Result<std::optional<HeartbeatKeyRow>> find_heartbeat_key(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind));
  if (rows.empty()) return std::optional<HeartbeatKeyRow>();
  const auto row = rows[0];
  return std::optional<HeartbeatKeyRow>({row.id<KeyId>(0), row.bytes(1), row.text(2), row.bytes(3)});
}

Result<void> offer_heartbeat_key(db::Transaction& tx, const HeartbeatKeyRow& key) {
  MUSTER_TRY_VOID(db::run(tx, kOffer, {key.id, key.public_key, key.kek_id, key.blob}));
  return {};
}

Result<void> rewrap_heartbeat_key(db::Transaction& tx, const HeartbeatKeyRow& read, const std::string& kek_id,
                                  BytesView blob) {
  MUSTER_TRY_VOID(db::run(tx, kRewrap, {read.id, kek_id, blob, read.kek_id}));
  return {};
}

}  // namespace muster::registry
