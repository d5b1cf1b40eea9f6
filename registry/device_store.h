// SPDX-License-Identifier: Apache-2.0
//
// Purpose: devices. States: active ⇄ suspended → retired; deleting leaves a tombstone from any state. Every change is
// announced to the edges in the same transaction. Scope: the tenant's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/id.h"
#include "core/identity.h"
#include "core/time.h"
#include "db/later.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

enum class DeviceStatus : std::uint8_t { kActive, kSuspended, kRetired };
std::string_view to_string(DeviceStatus status);
std::optional<DeviceStatus> parse_device_status(std::string_view text);

using Labels = std::vector<std::pair<std::string, std::string>>;  // sorted by name, names unique

inline constexpr std::size_t kMaxLabels = 32;
inline constexpr std::size_t kMaxGroups = 16;
inline constexpr std::size_t kMaxLabelValue = 256;  // octets of UTF-8

struct Device {
  DeviceId id;
  TenantId tenant_id;
  std::string name;
  DeviceStatus status = DeviceStatus::kActive;
  Labels labels;
  std::vector<std::string> groups;  // sorted, unique
  PolicyId policy_id;               // nil: none of its own
  std::string policy_name;
  UtcTime created_at{};
  // Who made it ("token:…", "device:…", "certificate:…"): a factory may ask for the first certificate of its own only.
  std::string created_by;
};

struct NewDevice {
  DeviceName name;
  Labels labels;                    // any order; reason device.label_invalid
  std::vector<std::string> groups;  // reason device.group_invalid
  PolicyId policy_id;               // nil: none
  std::string created_by;
};

struct DeviceUpdate {  // absent: stays as it is
  std::optional<DeviceStatus> status;
  std::optional<Labels> labels;
  std::optional<std::vector<std::string>> groups;
  std::optional<PolicyId> policy_id;  // nil: none
};

struct DeviceFilter {  // absent: any
  std::optional<DeviceStatus> status;
  std::optional<std::string> group;
  std::optional<std::pair<std::string, std::string>> label;
};

// Checks and sorts: names [A-Za-z0-9][A-Za-z0-9._-]{0,62}, values of printable UTF-8 without '/', '+', '#'.
Result<Labels> normalise_labels(Labels labels);
Result<std::vector<std::string>> normalise_groups(std::vector<std::string> groups);

// Only for an active tenant. Reasons: tenant.not_found, tenant.inactive, device.exists, device.name_held (see
// tenant.name_held), device.label_invalid, device.group_invalid,
// policy.not_found.
Result<Device> create_device(db::Transaction& tx, const TenantId& tenant, const NewDevice& device);

// create_devices makes many at once; where one fails it has that reason and the others are made (device.exists,
// device.name_held, device.label_invalid, device.group_invalid, policy.not_found). One result per item, in order.
Result<std::vector<Result<Device>>> create_devices(db::Transaction& tx, const TenantId& tenant,
                                                   std::span<const NewDevice> devices);

Result<std::optional<Device>> find_device(db::Transaction& tx, const TenantId& tenant, const DeviceName& name);
Result<Device> get_device(db::Transaction& tx, const TenantId& tenant, const DeviceName& name);    // device.not_found
Result<Device> get_device_by_id(db::Transaction& tx, const TenantId& tenant, const DeviceId& id);  // device.not_found
// One result per name, in order.
db::Later<std::vector<std::optional<Device>>> ask_devices(db::Transaction& tx, const TenantId& tenant,
                                                          std::span<const DeviceName> names);
// By name.
Result<Page<Device>> list_devices(db::Transaction& tx, const TenantId& tenant, const DeviceFilter& filter,
                                  const PageRequest& page);

// Reasons: device.not_found, device.status_invalid, policy.not_found, device.label_invalid, device.group_invalid.
// Returns the device as it now is.
Result<Device> update_device(db::Transaction& tx, const TenantId& tenant, const DeviceId& id,
                             const DeviceUpdate& update);

// Leaves a tombstone, revokes the device's certificates (cessationOfOperation), ends its grants and those on it, and
// announces all of it.
// Reason: device.not_found. Returns how many certificates were revoked.
Result<std::size_t> delete_device(db::Transaction& tx, const TenantId& tenant, const DeviceId& id, UtcTime now);

}  // namespace muster::registry
