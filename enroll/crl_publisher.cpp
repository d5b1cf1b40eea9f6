// SPDX-License-Identifier: Apache-2.0
#include "enroll/crl_publisher.h"

#include "ca/crl_builder.h"
#include "ca/signer.h"
#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/reasons.h"
#include "registry/issuer_store.h"
#include "x509/crl.h"

namespace muster::enroll {

namespace {

constexpr std::uint32_t kOnlyShard = 0;
constexpr std::chrono::seconds kLookInterval{5};
// thisUpdate lies a little back, for relying parties whose clocks are behind.
constexpr std::chrono::seconds kBackdate{60};

std::vector<x509::CrlEntry> to_entries(const std::vector<registry::RevokedEntry>& revoked) {
  std::vector<x509::CrlEntry> entries;
  entries.reserve(revoked.size());
  for (const registry::RevokedEntry& entry : revoked) {
    const bool sign_octet = entry.serial.size() > 1 && entry.serial[0] == 0;
    const BytesView serial = BytesView{entry.serial}.subspan(sign_octet ? 1 : 0);
    entries.push_back({to_hex(serial), entry.revoked_at, static_cast<std::uint8_t>(entry.reason)});
  }
  return entries;
}

}  // namespace

void CrlPublisher::mark_revoked(const IssuerId& issuer) {
  const std::lock_guard lock{mutex_};
  cache_.erase(issuer);
}

Result<Bytes> CrlPublisher::crl(const IssuerId& issuer, std::uint32_t shard) {
  MUSTER_TRY_VOID(context_.require_initialised());
  if (shard != kOnlyShard) return Error{ErrorCode::kNotFound, reasons::kShardUnknown, {}};
  const UtcTime now = context_.clock.now();
  // Held throughout: requests for a CRL that must be made wait for it instead of each making one.
  const std::lock_guard lock{mutex_};
  const auto found = cache_.find(issuer);
  if (found != cache_.end() && now >= found->second.looked_at && now - found->second.looked_at < kLookInterval) {
    return found->second.crl;
  }
  MUSTER_TRY(Cached fresh, db::run_in_transaction(context_.pool, db::Scope::system(),
                                                  [&](db::Transaction& tx) { return refresh(tx, issuer, shard); }));
  return cache_.insert_or_assign(issuer, std::move(fresh)).first->second.crl;
}

Result<CrlPublisher::Cached> CrlPublisher::refresh(db::Transaction& tx, const IssuerId& issuer,
                                                   std::uint32_t shard) const {
  const UtcTime now = context_.clock.now();
  MUSTER_TRY(auto stored, registry::find_crl(tx, issuer, shard));
  // [RFC5280 3.3] an entry stays on one CRL after the certificate expired
  const UtcTime expired_before = stored ? stored->this_update : UtcTime{};
  MUSTER_TRY(const auto revoked, registry::list_revoked(tx, issuer, shard, expired_before));
  bool current = false;
  if (stored) {
    MUSTER_TRY(const x509::Crl parsed, x509::Crl::parse_der(stored->crl));
    const UtcTime renew_at = stored->this_update + (stored->next_update - stored->this_update) / 2;
    current = now < renew_at && stored->this_update <= now && parsed.entries == to_entries(revoked);
  }
  if (!current) {
    MUSTER_TRY(stored, publish(tx, issuer, shard, revoked));
  }
  return Cached{now, std::move(stored->crl)};
}

Result<registry::StoredCrl> CrlPublisher::publish(db::Transaction& tx, const IssuerId& issuer, std::uint32_t shard,
                                                  const std::vector<registry::RevokedEntry>& revoked) const {
  const UtcTime now = context_.clock.now();
  MUSTER_TRY(const registry::Issuer row, registry::get_issuer(tx, issuer));
  MUSTER_TRY(const auto loaded, context_.issuers->load(tx, row));
  registry::StoredCrl made;
  MUSTER_TRY(made.number, registry::take_crl_number(tx, issuer, now));
  made.this_update = now - kBackdate;
  made.next_update = now + std::chrono::seconds{context_.config.crl_validity_seconds};
  const auto entries = to_entries(revoked);
  MUSTER_TRY(const Bytes tbs,
             ca::build_tbs_crl({loaded->identity, entries, made.number, made.this_update, made.next_update}));
  MUSTER_TRY(const Bytes signature, context_.signer->sign_crl({loaded->tenant, issuer, tbs}));
  MUSTER_TRY(made.crl, ca::assemble_signed(tbs, signature));
  MUSTER_TRY_VOID(registry::store_crl(tx, issuer, shard, made));
  return made;
}

}  // namespace muster::enroll
