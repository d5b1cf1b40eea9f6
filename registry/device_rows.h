// SPDX-License-Identifier: Apache-2.0
//
// Purpose: how a device's row is read, shared by the device stores. Internal to registry/; only for *_store.cpp.
#pragma once

#include <string>

#include "db/statement.h"
#include "registry/device_store.h"
#include "registry/json_text.h"

namespace muster::registry {

// Selects what read_device reads from `devices`, which calls itself d. A function: other files' statements are made
// before main.
inline std::string select_devices(const std::string& devices = "muster.devices AS d") {
  return "SELECT d.id, d.tenant_id, d.name, d.status, " + pairs_sql("d.labels") +
         ", d.groups, d.policy_id, p.name, d.created_at, d.created_by FROM " + devices +
         " LEFT JOIN muster.policies AS p ON p.tenant_id = d.tenant_id AND p.id = d.policy_id ";
}

Device read_device(const db::Row& row);

}  // namespace muster::registry
