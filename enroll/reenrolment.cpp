// SPDX-License-Identifier: Apache-2.0
#include "enroll/reenrolment.h"

#include "enroll/reasons.h"
#include "registry/est_settings_store.h"

namespace muster::enroll {

Result<bool> may_reenroll_expired(db::Transaction& tx, const registry::CertificateRow& row, UtcTime now) {
  if (row.status != registry::CertificateStatus::kExpired) return false;
  MUSTER_TRY(const auto settings, registry::get_est_settings(tx, row.tenant_id));
  if (now > row.not_after + std::chrono::seconds{settings.reenroll_after_expiry_seconds}) return false;
  registry::CertificateFilter active;
  active.device_id = row.device_id;
  active.status = registry::CertificateStatus::kActive;
  MUSTER_TRY(const auto newer, registry::list_certificates(tx, row.tenant_id, active, {}, now));
  return newer.items.empty();
}

Result<void> require_renewable_certificate(db::Transaction& tx, const Caller& caller, const DeviceId& device,
                                           const std::optional<registry::CertificateRow>& own, UtcTime now) {
  const Error forbidden{ErrorCode::kPermissionDenied, reasons::kCallerForbidden, {}};
  const bool claims = caller.role == CallerRole::kDevice && caller.tenant && caller.device == device;
  if (!claims || !own || own->id != caller.device_certificate_id || own->device_id != device) return forbidden;
  if (own->status == registry::CertificateStatus::kActive) return {};
  MUSTER_TRY(const bool allowed, may_reenroll_expired(tx, *own, now));
  return allowed ? Result<void>{} : forbidden;
}

}  // namespace muster::enroll
