// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what an operator should know before it hurts, asked over all tenants. Scope: system. Each question is one
// query that an index answers, so that monitoring may ask every minute.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/id.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

struct IssuerHealth {
  IssuerId id;
  std::string tenant_name;  // empty: of the platform
  std::string status;       // as in lists of issuers
  UtcTime not_after{};
  std::optional<UtcTime> crl_next_update;  // the earliest of its shards; empty: none was ever published
};
// Those that have a certificate and are not retired, the first to end first; at most `limit`.
Result<std::vector<IssuerHealth>> list_issuer_health(db::Transaction& tx, std::size_t limit);

struct ExpiringDay {
  UtcTime day{};  // midnight UTC
  std::size_t certificates = 0;
};
// Active certificates of devices that have no other active certificate that lives longer than `until`, by the day on
// which they end, from `now` to `until`.
Result<std::vector<ExpiringDay>> count_expiring_by_day(db::Transaction& tx, UtcTime now, UtcTime until);

struct Backlog {
  std::size_t count = 0;
  std::optional<UtcTime> oldest;  // of what is counted
};
// Certificates of edges and brokers that end before `until` and have no successor of their kind.
Result<Backlog> expiring_infrastructure(db::Transaction& tx, UtcTime now, UtcTime until);
// Audit events that the sequencer has not chained yet.
Result<Backlog> unchained_audit_events(db::Transaction& tx);
// Joined edges that acknowledged nothing since `since`; `oldest`: the last word of the one that is silent longest.
Result<Backlog> silent_edges(db::Transaction& tx, UtcTime since);
// Reports of edges since `since` that records of a WAL could not be read, or that the log refused them.
Result<Backlog> lost_records(db::Transaction& tx, UtcTime since);
// Devices whose identity two seem to use, told since `since`.
Result<Backlog> contested_devices(db::Transaction& tx, UtcTime since);
// Claims that were made before `made_before`, may still be used and have not been used up.
Result<Backlog> open_claims(db::Transaction& tx, UtcTime now, UtcTime made_before);

struct ProfileFault {
  std::string tenant_name;
  std::string profile;
  std::string fault;  // for people
};
// Profiles whose certificates are not what they promise; at most `limit`.
Result<std::vector<ProfileFault>> list_profile_faults(db::Transaction& tx, UtcTime now, std::size_t limit);
// Names of the key-encryption keys under which private keys lie: more than one while a rotation is under way.
Result<std::vector<std::string>> key_encryption_keys_in_use(db::Transaction& tx);

}  // namespace muster::registry
