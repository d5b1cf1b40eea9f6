// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/id.h"
#include "db/transaction.h"

namespace muster::registry {

// The deployment's key for heartbeats, wrapped; the registry does not look inside. Scope of all: system.
struct HeartbeatKeyRow {
  KeyId id;
  Bytes public_key;    // 32 octets
  std::string kek_id;  // lower-case hexadecimal
  Bytes blob;
};

Result<std::optional<HeartbeatKeyRow>> find_heartbeat_key(db::Transaction& tx);
// Does nothing where there is one already: of two servers that start together, one makes it.
Result<void> offer_heartbeat_key(db::Transaction& tx, const HeartbeatKeyRow& key);
// Replaces the blob unless somebody else has done so since `read` was read.
Result<void> rewrap_heartbeat_key(db::Transaction& tx, const HeartbeatKeyRow& read, const std::string& kek_id,
                                  BytesView blob);

}  // namespace muster::registry
