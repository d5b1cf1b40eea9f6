// SPDX-License-Identifier: Apache-2.0
//
// Purpose: which policy a device has. The order, here and nowhere else: the device's own; else that of its first group,
// in the order of the groups' names as octets, that has one; else the tenant's default; else the built-in default.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/id.h"

namespace muster {

// What a tenant attaches to its groups and to all of its devices.
struct PolicyAttachments {
  PolicyId fallback;                                     // the tenant's default; nil: none
  std::vector<std::pair<std::string, PolicyId>> groups;  // sorted by name, names unique
  bool empty() const { return fallback.is_nil() && groups.empty(); }
  friend bool operator==(const PolicyAttachments&, const PolicyAttachments&) = default;
};

struct PolicyInForce {
  enum class From : std::uint8_t { kDevice, kGroup, kTenant, kBuiltIn };
  From from = From::kBuiltIn;
  PolicyId id;             // nil: the built-in default
  std::string_view group;  // kGroup: of `groups`
};

// `own` nil: the device has none of its own. `groups`: the device's, sorted by name.
PolicyInForce policy_in_force(const PolicyId& own, std::span<const std::string_view> groups,
                              const PolicyAttachments& attachments);

}  // namespace muster
