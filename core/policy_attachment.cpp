// SPDX-License-Identifier: Apache-2.0
#include "core/policy_attachment.h"

#include <algorithm>

namespace muster {

PolicyInForce policy_in_force(const PolicyId& own, std::span<const std::string_view> groups,
                              const PolicyAttachments& attachments) {
  using From = PolicyInForce::From;
  if (!own.is_nil()) return {From::kDevice, own, {}};
  for (const std::string_view group : groups) {
    const auto found = std::lower_bound(attachments.groups.begin(), attachments.groups.end(), group,
                                        [](const auto& entry, std::string_view name) { return entry.first < name; });
    if (found != attachments.groups.end() && found->first == group) return {From::kGroup, found->second, group};
  }
  if (!attachments.fallback.is_nil()) return {From::kTenant, attachments.fallback, {}};
  return {From::kBuiltIn, {}, {}};
}

}  // namespace muster
