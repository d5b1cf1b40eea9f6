// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a CRL is made of, its number, and the last one published. Scope: system.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/certificate_store.h"

namespace muster::registry {

struct RevokedEntry {
  Bytes serial;
  UtcTime revoked_at{};
  RevocationReason reason = RevocationReason::kUnspecified;
};

struct CrlId {
  IssuerId issuer;
  std::uint32_t shard = 0;
  friend auto operator<=>(const CrlId&, const CrlId&) = default;
};

// visit_revoked shows the revoked certificates and intents of one shard that were not expired before `expired_before`,
// by serial, a part at a time: a revocation that commits meanwhile may be missed, and then begin_crl's snapshot did not
// see it either. An entry stays on at least one CRL after expiry [RFC5280 3.3]: the caller goes back two periods.
// An error of `visit` ends it.
using RevokedVisitor = std::function<Result<void>(BytesView serial, UtcTime revoked_at, RevocationReason reason)>;
Result<void> visit_revoked(db::Transaction& tx, const CrlId& crl, UtcTime expired_before, const RevokedVisitor& visit);
Result<std::vector<RevokedEntry>> list_revoked(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                               UtcTime expired_before);
// Removes what expired so long ago that no CRL lists it; OCSP reads the certificates themselves. Returns how many.
Result<std::size_t> forget_revocations(db::Transaction& tx, UtcTime expired_before);

// How many shards this issuer ever issued into. Reason: issuer.not_found.
Result<std::uint32_t> count_crl_shards(db::Transaction& tx, const IssuerId& issuer);

// CrlOrigin is what a CRL is made of: the revocations that this snapshot saw.
struct CrlOrigin {
  std::string snapshot;  // PostgreSQL's pg_snapshot
  std::int64_t system_identifier = 0;
};
// Waits until nobody else builds this CRL and keeps others waiting until the transaction's end.
Result<CrlOrigin> begin_crl(db::Transaction& tx, const CrlId& crl);

struct CrlState {
  std::uint64_t number = 0;
  UtcTime this_update{};
  UtcTime next_update{};
  bool outdated = false;  // something was revoked that it does not list
};
// The stored CRL without its octets. Empty: none yet.
Result<std::optional<CrlState>> look_at_crl(db::Transaction& tx, const CrlId& crl);

// Takes the next number: max(previous + 1, `now` in seconds). Reason: issuer.not_found.
Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now);

struct StoredCrl {
  std::uint64_t number = 0;
  UtcTime this_update{};
  UtcTime next_update{};
  Bytes crl;  // DER
};
// Keeps the one with the higher number.
Result<void> store_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard, const StoredCrl& crl,
                       const CrlOrigin& origin);
Result<std::optional<StoredCrl>> find_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard);

// Intents older than `before` whose certificate was never stored: a crash between reserving and storing. doctor shows
// them; revoke_intent puts the serial on the CRL, in case the certificate was signed and got out.
struct OrphanIntent {
  TenantId tenant_id;
  IssuerId issuer_id;
  Bytes serial;
  DeviceId device_id;
  UtcTime created_at{};
};
Result<std::vector<OrphanIntent>> list_orphan_intents(db::Transaction& tx, UtcTime before, std::size_t limit);
// Reason: certificate.intent_missing (none such, or its certificate is stored).
Result<void> revoke_intent(db::Transaction& tx, const IssuerId& issuer, BytesView serial, const Revocation& revocation);
// Removes intents older than `before` whose certificate is stored; returns how many. They have done their work.
Result<std::size_t> prune_intents(db::Transaction& tx, UtcTime before);

}  // namespace muster::registry
