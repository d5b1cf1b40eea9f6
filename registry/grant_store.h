// SPDX-License-Identifier: Apache-2.0
//
// Purpose: grants: what one device may do in the topic space of another device of its tenant, a gateway in that of a
// device behind it for example. There is no other way from device to device. A grant names both by id and ends with
// either. Every change is announced to the edges in the same transaction. Scope: the tenant's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/policy_document.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster {
using GrantId = Id<struct GrantIdTag>;
}

namespace muster::registry {

inline constexpr std::size_t kMaxGrantsOfDevice = 256;
inline constexpr std::size_t kMaxGrantFilters = 8;

struct NewGrant {
  DeviceId device;  // who may
  DeviceId on;      // whose topics
  PolicyActions actions;
  std::vector<std::string> filters;  // below {tenant}/{on}/
  std::uint8_t max_qos = kAnyQos;
  std::uint32_t max_payload = kAnyPayload;
  std::string created_by;
};

struct Grant : NewGrant {
  GrantId id;
  std::string device_name;
  std::string on_name;
  bool on_active = false;  // else the grant rests
  UtcTime created_at{};
};

// Reasons: grant.filter_invalid (also: none, or more than kMaxGrantFilters), grant.action_invalid (none, or retain
// without publish or will), grant.limit_invalid, grant.same_device, grant.limit_reached, device.not_found.
Result<Grant> create_grant(db::Transaction& tx, const TenantId& tenant, const NewGrant& grant);
// By age.
Result<std::vector<Grant>> list_grants_of(db::Transaction& tx, const TenantId& tenant, const DeviceId& device);
Result<std::vector<Grant>> list_grants_on(db::Transaction& tx, const TenantId& tenant, const DeviceId& device);
// Of a device: a grant that another one has is not found. Reason: grant.not_found.
Result<Grant> get_grant(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const GrantId& id);
// The same. Returns what it was.
Result<Grant> delete_grant(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const GrantId& id);

// For device_store: those that `device` has, and those that others have on it, which are announced.
Result<void> delete_grants_with(db::Transaction& tx, const TenantId& tenant, const DeviceId& device);
// Those who have a grant on `device` must be told that it is not what it was.
Result<void> announce_grantees(db::Transaction& tx, const TenantId& tenant, const DeviceId& device);

// For entity_loader.
PolicyActions actions_of(std::span<const std::string> names);

}  // namespace muster::registry
