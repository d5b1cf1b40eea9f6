// SPDX-License-Identifier: Apache-2.0
#include "enroll/reenrolment.h"

#include "enroll/external_device.h"
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

Result<std::string> require_renewable_certificate(db::Transaction& tx, const Caller& caller, const DeviceId& device,
                                                  UtcTime now) {
  if (!caller.external_chain.empty()) {
    MUSTER_TRY_VOID(require_external_device(tx, caller, device, now));
    return std::string();
  }
  const Error forbidden{ErrorCode::kPermissionDenied, reasons::kCallerForbidden, {}};
  const bool claims = caller.role == CallerRole::kDevice && caller.tenant && caller.device == device;
  if (!claims || !caller.device_certificate_id) return forbidden;
  auto row = registry::get_certificate(tx, *caller.tenant, *caller.device_certificate_id, now);
  if (!row.ok()) return row.error().code == ErrorCode::kNotFound ? forbidden : row.error();
  if (row->device_id != device) return forbidden;
  if (row->status == registry::CertificateStatus::kActive) return std::move(row->profile);
  MUSTER_TRY(const bool allowed, may_reenroll_expired(tx, *row, now));
  if (!allowed) return forbidden;
  return std::move(row->profile);
}

}  // namespace muster::enroll
