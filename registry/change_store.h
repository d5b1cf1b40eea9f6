// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the stream of changes that edges follow, numbered in commit order (design.md §7). A change names an entity;
// the reader loads the entity's present state (registry/entity_loader.h). Stores announce; the number is taken by the
// transaction's last statement, because a number taken earlier would let a reader pass a slow transaction for ever.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

enum class EntityKind : std::uint8_t {
  kTenant = 1,
  kIssuer = 2,
  kPolicy = 3,
  kDevice = 4,
  kCertificate = 5,
  kTrustAnchor = 6,         // edges get it as an issuer
  kExternalCredential = 7,  // edges get it as a certificate
};

// announce remembers a change for the transaction's end. An entity announced twice is written once. In a tenant's scope
// only that tenant's entities can be announced (row security refuses others: database.value_refused).
void announce(db::Transaction& tx, EntityKind kind, const TenantId& tenant, BytesView entity_id);

struct ChangePosition {
  RawId epoch;               // another one: the database was restored, positions cannot be compared
  std::uint64_t number = 0;  // of the newest change
  friend bool operator==(const ChangePosition&, const ChangePosition&) = default;
};

struct ChangeRecord {
  std::uint64_t number = 0;
  EntityKind kind = EntityKind::kTenant;
  TenantId tenant_id;
  Bytes entity_id;  // 16 octets, 32 for a certificate or an external credential
};

struct ChangeBatch {
  ChangePosition from;
  ChangePosition to;  // everything up to here is in `changes`, or belongs to other tenants
  std::vector<ChangeRecord> changes;
};

// Scope: system, for all below.
Result<ChangePosition> current_position(db::Transaction& tx);
// Reads up to `limit` changes after `since`; `tenants` empty: all. Reason: changes.reload_required (another epoch, a
// position ahead of the newest, or changes that were pruned).
Result<ChangeBatch> read_changes(db::Transaction& tx, const ChangePosition& since, std::span<const TenantId> tenants,
                                 std::size_t limit);
// Removes changes committed before `before` and returns how many; edges that lag further load everything again.
Result<std::size_t> prune_changes(db::Transaction& tx, UtcTime before);
// Starts a new epoch when the database is not the one that the epoch was made for (another system identifier or
// timeline: restored, or a stand-by was promoted). The server calls it at start. Returns true if it did.
Result<bool> renew_epoch_after_restore(db::Transaction& tx);
// Starts a new epoch in any case: every edge loads everything again.
Result<void> start_new_epoch(db::Transaction& tx);

}  // namespace muster::registry
