// SPDX-License-Identifier: Apache-2.0
//
// Purpose: edges: their join tokens, infrastructure certificates, database roles and how far each has followed the
// change stream. Scope: system.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/secret_bytes.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

enum class EdgeStatus : std::uint8_t { kInvited, kJoined, kRemoved };
std::string_view to_string(EdgeStatus status);

struct Edge {
  EdgeId id;
  std::string name;
  EdgeStatus status = EdgeStatus::kInvited;
  std::vector<TenantId> tenants;  // empty: all
  std::vector<std::string> tenant_names;
  std::vector<std::string> broker_names;  // of its broker's TLS certificate; empty: it gets none
  std::string database_role;              // empty before it joined
  UtcTime created_at{};
  std::optional<UtcTime> joined_at;
  RawId acknowledged_epoch;  // nil: nothing yet
  std::uint64_t acknowledged_number = 0;
  std::optional<UtcTime> acknowledged_at;
};

struct NewEdge {
  std::string name;               // [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?; reason edge.name_invalid
  std::vector<TenantId> tenants;  // empty: all
  Sha256 join_token_sha256{};
  UtcTime join_token_expires_at{};
  // DNS names and addresses. Whoever joins chooses nothing: with a name of its own choice it could be the server.
  std::vector<std::string> broker_names = {};
};

// Reasons: edge.exists, edge.name_invalid, tenant.not_found.
Result<Edge> create_edge(db::Transaction& tx, const NewEdge& edge);
Result<Edge> get_edge(db::Transaction& tx, std::string_view name);  // reason: edge.not_found (removed ones too)
Result<Edge> get_edge_by_id(db::Transaction& tx, const EdgeId& id);
Result<Page<Edge>> list_edges(db::Transaction& tx, const PageRequest& page);

// Redeems a join token: one UPDATE … WHERE unused, so of two that race one wins. The edge is `joined` when the
// transaction commits. Reason: edge.join_token_invalid (unknown, used, expired, edge removed).
Result<Edge> redeem_join_token(db::Transaction& tx, const Sha256& sha256, UtcTime now);

enum class InfrastructureKind : std::uint8_t { kEdgeClient, kBroker, kServer, kResponder };
std::string_view to_string(InfrastructureKind kind);

struct InfrastructureCertificate {
  Sha256 id{};
  EdgeId edge_id;  // nil: the server's own
  InfrastructureKind kind = InfrastructureKind::kEdgeClient;
  IssuerId issuer_id;
  Bytes serial;
  Sha256 spki_sha256{};
  UtcTime not_before{};
  UtcTime not_after{};
  Bytes certificate;  // DER
};
// Reasons: key.already_used, certificate.exists, edge.not_found.
Result<void> store_infrastructure_certificate(db::Transaction& tx, const InfrastructureCertificate& certificate);
// The edge that may use this client certificate now: joined, and the certificate listed, of kind edge, unrevoked.
// Checked per request. Absent: refuse.
Result<std::optional<Edge>> find_edge_by_certificate(db::Transaction& tx, const Sha256& certificate_id, UtcTime now);

// Makes the edge's login role muster_edge_<32 hex> with this password and returns its name. The password goes to the
// server as a SCRAM verifier only. The role may append to the log and nothing else.
Result<std::string> create_edge_role(db::Transaction& tx, const EdgeId& edge, std::string_view password);

// Removes an edge: revokes its certificates, spoils its join token, takes login, rights and sessions from its database
// role. When that is committed, drop_edge_role must follow. Reason: edge.not_found.
Result<void> remove_edge(db::Transaction& tx, const EdgeId& id, UtcTime now);

// Drops the database role of a removed edge and the sessions that began while remove_edge was not yet committed.
Result<void> drop_edge_role(db::Transaction& tx, const EdgeId& id);
// Removed edges whose role is still there: the one who removed them did not come to drop_edge_role.
Result<std::vector<EdgeId>> list_leftover_edge_roles(db::Transaction& tx);

// The edge has applied everything up to `number` of `epoch`.
Result<void> acknowledge_changes(db::Transaction& tx, const EdgeId& id, const RawId& epoch, std::uint64_t number,
                                 UtcTime now);

struct EdgeEvent {
  RawId id;  // chosen by the edge: sent again, it is the same event
  std::string type;
  UnixMicros at = 0;
  std::string principal;
  std::string detail;
};
// Remembers the ids (for `edge_event_keep` days) and returns those of `events` that are new.
Result<std::vector<RawId>> record_edge_events(db::Transaction& tx, const EdgeId& edge,
                                              std::span<const EdgeEvent> events);
Result<std::size_t> prune_edge_events(db::Transaction& tx, UtcTime before);

}  // namespace muster::registry
