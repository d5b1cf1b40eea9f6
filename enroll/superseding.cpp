// SPDX-License-Identifier: Apache-2.0
#include "enroll/superseding.h"

#include <algorithm>
#include <span>
#include <vector>

#include "core/encoding.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "enroll/registration_authority.h"
#include "registry/audit_store.h"
#include "registry/certificate_store.h"
#include "registry/renewal_store.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kRecordsAtOnce = 2000;  // of each partition

registry::AuditEvent supersede_event(const AuthorityContext& context, const TenantId& tenant,
                                     const registry::Superseded& superseded) {
  Caller server;
  server.role = CallerRole::kLocal;
  registry::AuditEvent event = audit_event(context, server, tenant, "certificate.supersede");
  event.target = "device:" + superseded.device_id.text();
  event.target_name = superseded.device_name;
  event.detail.emplace_back(registry::AuditField::kCertificateId, to_hex(superseded.id));
  event.detail.emplace_back(registry::AuditField::kDetail, "connected with " + to_hex(superseded.by));
  event.detail.emplace_back(registry::AuditField::kEdge, superseded.reported_by);
  event.detail.emplace_back(registry::AuditField::kRevocationReason, "superseded");
  return event;
}

// Returns how many it revoked.
Result<std::size_t> supersede(const AuthorityContext& context, db::Transaction& tx, const TenantId& tenant,
                              std::span<const registry::SeenConnect> connects) {
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
  MUSTER_TRY(const auto superseding, registry::get_superseding(tx, tenant));
  std::size_t revoked = 0;
  if (superseding == registry::Superseding::kNever) return revoked;
  const UtcTime now = context.clock.now();
  MUSTER_TRY(const auto found, registry::find_superseded(tx, tenant, connects, now));
  for (const registry::Superseded& one : found) {
    MUSTER_TRY(const auto outcome,
               registry::revoke_certificate(tx, tenant, one.id, {registry::RevocationReason::kSuperseded, now}));
    if (!outcome.changed) continue;  // somebody revoked it meanwhile, with a reason of his own
    MUSTER_TRY_VOID(registry::append_audit_event(tx, supersede_event(context, tenant, one)));
    ++revoked;
  }
  return revoked;
}

}  // namespace

Result<std::size_t> supersede_renewed(RegistrationAuthority& authority) {
  AuthorityContext& context = authority.context();
  using Taken = Result<std::size_t>;
  std::size_t revoked = 0;
  auto taken = db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Taken {
    revoked = 0;
    MUSTER_TRY(const auto connects, registry::take_connects(tx, kRecordsAtOnce));
    auto first = connects.begin();
    while (first != connects.end()) {
      const TenantId tenant = first->tenant_id;
      const auto last = std::find_if(first, connects.end(), [&](const auto& c) { return c.tenant_id != tenant; });
      MUSTER_TRY(const std::size_t of_tenant, supersede(context, tx, tenant, {first, last}));
      revoked += of_tenant;
      first = last;
    }
    return connects.size();
  });
  // OCSP answers and CRLs look again; also after an error, since a COMMIT whose answer was lost may have happened.
  if (!taken.ok() || revoked > 0) authority.note_revocation();
  return taken;
}

}  // namespace muster::enroll
