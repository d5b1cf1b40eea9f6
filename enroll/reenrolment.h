// SPDX-License-Identifier: Apache-2.0
//
// Purpose: with which certificate a device may get its next one: an active one, or, where the tenant allows it for a
// stated time, one that has expired.
#pragma once

#include <optional>

#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "db/transaction.h"
#include "enroll/caller.h"
#include "registry/certificate_store.h"

namespace muster::enroll {

// Whether `row`, expired, may still ask for its successor: expired no longer ago than the tenant's
// reenroll_after_expiry_seconds, never revoked, and the device has no active certificate (an old key that somebody
// found is of no use). Scope: the tenant's.
Result<bool> may_reenroll_expired(db::Transaction& tx, const registry::CertificateRow& row, UtcTime now);

// The caller is `device` itself and proved `own`, a certificate of it that is active or passes may_reenroll_expired.
// `own`: the row of the caller's device_certificate_id, as this transaction sees it; empty: there is none.
// Scope: the tenant's. Reason: enroll.caller_forbidden.
Result<void> require_renewable_certificate(db::Transaction& tx, const Caller& caller, const DeviceId& device,
                                           const std::optional<registry::CertificateRow>& own, UtcTime now);

}  // namespace muster::enroll
