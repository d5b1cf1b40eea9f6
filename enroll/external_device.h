// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a device that proves itself by a certificate of its tenant's own PKI (an IDevID, IEEE 802.1AR) and asks for
// one of ours. The same judgement as at the broker: path, device id by the anchor's rule, revocation, registration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "core/time.h"
#include "db/transaction.h"
#include "enroll/caller.h"
#include "registry/device_store.h"

namespace muster::enroll {

// The registered device of `tenant` whom `chain` (DER, leaf first) proves by one of the tenant's trust anchors at
// `now`; empty: none. Scope: the tenant's.
Result<std::optional<registry::Device>> find_external_device(db::Transaction& tx, const TenantId& tenant,
                                                             const std::vector<Bytes>& chain, UtcTime now);

// Whether it proves a device of any tenant: for the handshake, where nobody has said yet which tenant is meant. The
// chain must hold what leads to the anchor. Scope on entry: system; after: any.
Result<bool> is_external_device(db::Transaction& tx, const std::vector<Bytes>& chain, UtcTime now);

// The caller's external_chain proves `device`. Scope: the tenant's. Reason: enroll.caller_forbidden.
Result<void> require_external_device(db::Transaction& tx, const Caller& caller, const DeviceId& device, UtcTime now);

}  // namespace muster::enroll
