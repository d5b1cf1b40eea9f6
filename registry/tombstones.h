// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a deleted tenant or device keeps the number of the change that told edges so; its name is held until all of
// them have applied it. The number is known only at the transaction's end. Internal to registry/.
#pragma once

#include "core/id.h"
#include "db/transaction.h"

namespace muster::registry {

// Announce the entity as well: its gone_number becomes the transaction's last change number.
void note_device_tombstone(db::Transaction& tx, const TenantId& tenant, const DeviceId& device);
void note_tenant_tombstone(db::Transaction& tx, const TenantId& tenant);

}  // namespace muster::registry
