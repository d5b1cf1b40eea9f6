// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what a CRL is made of, its number, and the last one published. Scope: system.
#pragma once

#include <cstdint>
#include <optional>
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

// Revoked certificates and intents of one shard that were not expired before `expired_before`, by serial. An entry
// stays for one CRL after expiry [RFC5280 3.3]: the caller passes the time of the CRL before last.
Result<std::vector<RevokedEntry>> list_revoked(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                               UtcTime expired_before);

// Takes the next number: max(previous + 1, `now` in seconds). Reason: issuer.not_found.
Result<std::uint64_t> take_crl_number(db::Transaction& tx, const IssuerId& issuer, UtcTime now);

struct StoredCrl {
  std::uint64_t number = 0;
  UtcTime this_update{};
  UtcTime next_update{};
  Bytes crl;  // DER
};
// Keeps the one with the higher number.
Result<void> store_crl(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard, const StoredCrl& crl);
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
