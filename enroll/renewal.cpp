// SPDX-License-Identifier: Apache-2.0
#include "enroll/renewal.h"

#include <algorithm>

#include "db/transaction.h"
#include "enroll/authorisation.h"
#include "enroll/authority_context.h"
#include "enroll/device_enrolment.h"
#include "enroll/registration_authority.h"
#include "registry/device_store.h"
#include "registry/reasons.h"
#include "registry/renewal_store.h"

namespace muster::enroll {

namespace {

// [RFC9773 4.3.2] a client asks again after six hours where nothing else is said; earlier for lives of a few days.
constexpr std::chrono::seconds kLongestRetry{6 * 3600};
constexpr std::chrono::seconds kShortestRetry{60};
constexpr std::int64_t kAsksInLife = 48;

Result<RenewalAdvice> advise_on(db::Transaction& tx, const TenantId& tenant,
                                const std::optional<registry::RenewableCertificate>& certificate) {
  if (!certificate) return Error{ErrorCode::kNotFound, registry::kCertificateNotFound, ""};
  RenewalAdvice advice;
  advice.certificate = certificate->id;
  const auto life = certificate->not_after - certificate->not_before;
  advice.retry_after = std::clamp(life / kAsksInLife, kShortestRetry, kLongestRetry);
  advice.window = renewal_window(certificate->id, certificate->not_before, certificate->not_after);
  MUSTER_TRY(const auto incident, registry::find_incident(tx, tenant, *certificate));
  if (!incident) return advice;
  // [RFC9773 4.2] a window in the past: renew now
  advice.window = {incident->created_at - std::chrono::seconds{1}, incident->created_at};
  advice.reason = incident->reason.empty() ? "incident" : incident->reason;
  return advice;
}

}  // namespace

Result<RenewalAdvice> RenewalDesk::advise(const Caller& caller, const TenantId& tenant,
                                          const std::string& device) const {
  AuthorityContext& context = authority_.context();
  MUSTER_TRY_VOID(require_tenant_reader(caller, tenant));
  MUSTER_TRY(const DeviceName name, DeviceName::parse(device));
  using Advice = Result<RenewalAdvice>;
  return db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Advice {
    const UtcTime now = context.clock.now();
    MUSTER_TRY(const registry::Device row, registry::get_device(tx, tenant, name));
    if (caller.role == CallerRole::kDevice) MUSTER_TRY_VOID(require_own_certificate(tx, caller, row.id, now));
    MUSTER_TRY(const auto certificate, registry::find_newest_certificate(tx, tenant, row.id, now));
    return advise_on(tx, tenant, certificate);
  });
}

Result<RenewalAdvice> RenewalDesk::advise_certificate(const TenantId& tenant, const Sha256& certificate) const {
  AuthorityContext& context = authority_.context();
  using Advice = Result<RenewalAdvice>;
  return db::run_in_transaction(context.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) -> Advice {
    MUSTER_TRY(const auto row, registry::find_renewable_certificate(tx, tenant, certificate));
    return advise_on(tx, tenant, row);
  });
}

}  // namespace muster::enroll
