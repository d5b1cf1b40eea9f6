// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the audit log. Events are written in the transaction of what they tell of. After commit a sequencer chains
// them per tenant (registry/audit_chain.h), so that no chain head serialises writers. Rows are never changed or
// removed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

enum class AuditOutcome : std::uint8_t { kSuccess, kRefused, kFailed };
std::string_view to_string(AuditOutcome outcome);  // "success" …

// The facts an event may carry: nothing else can get into the log, least of all a secret.
enum class AuditField : std::uint8_t {
  kReason,  // a stable reason
  kRequestId,
  kSourceAddress,
  kCertificateId,
  kSerial,
  kIssuerId,
  kOldKey,  // SPKI hash
  kNewKey,  // SPKI hash
  kProfile,
  kNotAfter,
  kRevocationReason,
  kStatus,
  kPolicy,
  kRole,
  kName,
  kCount,
  kTopic,
  kEdge,
  kBatch,
  kDetail,
  kOldValue,  // what was there, as JSON
  kNewValue,  // what is there now, as JSON
};
std::string_view to_string(AuditField field);  // "reason", "request_id" …

inline constexpr std::size_t kMaxAuditValue = 1024;  // octets; longer values are cut

struct AuditEvent {
  TenantId tenant_id;  // nil: of the platform
  UnixMicros at = 0;   // truncated to PostgreSQL's microseconds
  std::string actor;   // "token:<id>", "device:<tenant>/<device>", "edge:<name>", "system"
  std::string action;  // dotted constant: "certificate.issue", "tenant.create" …
  std::string target;  // "device:<id>" …: what it was done to, by id
  std::string target_name;
  AuditOutcome outcome = AuditOutcome::kSuccess;
  std::vector<std::pair<AuditField, std::string>> detail;
};

// Scope: the tenant's for its own events, system for any.
Result<void> append_audit_event(db::Transaction& tx, const AuditEvent& event);
Result<void> append_audit_events(db::Transaction& tx, std::span<const AuditEvent> events);

struct AuditRow {
  std::uint64_t id = 0;
  std::optional<std::uint64_t> sequence;  // in the tenant's chain; absent until the sequencer has seen it
  UnixMicros at = 0;
  TenantId tenant_id;
  std::string tenant_name;  // empty for the platform
  std::string actor;
  std::string action;
  std::string target;
  std::string target_name;
  AuditOutcome outcome = AuditOutcome::kSuccess;
  std::vector<std::pair<std::string, std::string>> detail;  // sorted by name
};

struct AuditFilter {
  std::optional<TenantId> tenant_id;  // absent: all tenants and the platform (scope system); nil: the platform's only
};
// Newest first.
Result<Page<AuditRow>> list_audit_events(db::Transaction& tx, const AuditFilter& filter, const PageRequest& page);

// The sequencer: chains events that are committed and unchained, whole groups that were written together until there
// are `limit`, and returns how many. Scope: system. Two at once: one waits. The server calls it every second until it
// returns 0.
Result<std::size_t> chain_audit_events(db::Transaction& tx, std::size_t limit);

struct ChainState {
  std::uint64_t length = 0;
  Sha256 head{};  // print it somewhere else from time to time: a chain can be cut at its end by who owns the database
};
// Computes the whole chain of one tenant (nil: of the platform) again from the rows. Scope: system.
// Reason: audit.chain_broken; `detail` names the sequence number.
Result<ChainState> verify_audit_chain(db::Transaction& tx, const TenantId& tenant);

}  // namespace muster::registry
