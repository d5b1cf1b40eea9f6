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

// visit_revoked shows the revoked certificates and intents of one shard that `origin` saw and that were not expired
// before `expired_before`, in no order. An entry stays on at least one CRL after expiry [RFC5280 3.3]: the caller goes
// back two periods. An error of `visit` ends it.
using RevokedVisitor = std::function<Result<void>(BytesView serial, UtcTime revoked_at, RevocationReason reason)>;
Result<void> visit_revoked(db::Transaction& tx, const CrlId& crl, const CrlOrigin& origin, UtcTime expired_before,
                           const RevokedVisitor& visit);
// Those that `origin` saw and the stored CRL's origin did not, at most `limit`.
Result<std::vector<RevokedEntry>> list_news(db::Transaction& tx, const CrlId& crl, const CrlOrigin& origin,
                                            std::size_t limit);

struct CrlState {
  std::uint64_t number = 0;
  UtcTime this_update{};
  UtcTime next_update{};
  bool outdated = false;  // something was revoked that it does not list
  bool is_in_parts = false;
  bool is_of_this_cluster = false;  // its origin says something about this one's transactions
};
// The stored CRL without its octets. Empty: none yet.
Result<std::optional<CrlState>> look_at_crl(db::Transaction& tx, const CrlId& crl);

// Takes the next number: max(previous + 1, `now` in seconds). Reason: issuer.not_found.
Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now);

// CrlLayout says how the octets of a CRL are kept. The entries of a large one lie in parts: the CRL that is made of all
// revocations begins a base, and each one after it adds a part.
struct CrlLayout {
  std::uint64_t base = 0;  // number of the CRL that began it
  UtcTime base_at{};
  std::uint32_t parts = 0;       // 0: in one piece, without a base
  std::uint64_t entries = 0;     // how many
  std::size_t entries_at = 0;    // where the first one begins in the DER
  std::size_t entries_size = 0;  // octets of all
  friend bool operator==(const CrlLayout&, const CrlLayout&) = default;
};
struct StoredCrl {
  std::uint64_t number = 0;
  UtcTime this_update{};
  UtcTime next_update{};
  Bytes crl;  // DER
  CrlLayout layout;
};
// Keeps the one with the higher number. `kept_parts`: so many of its parts are stored already, of `kept_size` octets.
struct KeptParts {
  std::uint32_t parts = 0;
  std::size_t size = 0;
};
// Splits what is new into parts of a few MiB and sets layout.parts. Reasons: database.*.
Result<void> store_crl(db::Transaction& tx, const CrlId& id, StoredCrl& crl, const CrlOrigin& origin,
                       const KeptParts& kept = {});
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
