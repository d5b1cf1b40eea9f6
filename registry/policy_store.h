// SPDX-License-Identifier: Apache-2.0
//
// Purpose: policy documents and where they are attached. A device's policy is its own, else that of its first group (by
// name) that has one, else the tenant's default, else the built-in default. Scope: the tenant's. The caller has
// compiled the rules with core/policy.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/id.h"
#include "core/policy.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

struct PolicyDocument {
  PolicyId id;
  TenantId tenant_id;
  std::string name;
  std::vector<PolicyRule> rules;
  UtcTime created_at{};
  UtcTime updated_at{};
};

// A policy's name matches [a-z0-9][a-z0-9._-]{0,62}. Reasons: policy.exists, policy.name_invalid.
Result<PolicyDocument> create_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                     std::span<const PolicyRule> rules);
Result<PolicyDocument> get_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name);
Result<Page<PolicyDocument>> list_policies(db::Transaction& tx, const TenantId& tenant, const PageRequest& page);
// Reason: policy.not_found.
Result<PolicyDocument> replace_policy_rules(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                            std::span<const PolicyRule> rules);
// Reasons: policy.not_found, policy.in_use (a device, a group or the tenant has it). Leaves a tombstone; the name is
// free.
Result<void> delete_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name);

struct GroupPolicy {
  std::string group;
  PolicyId policy_id;
  std::string policy_name;
};
// `policy` nil: detach. Announces the group's devices. Reasons: policy.not_found, device.group_invalid.
Result<void> set_group_policy(db::Transaction& tx, const TenantId& tenant, std::string_view group,
                              const PolicyId& policy);
Result<std::vector<GroupPolicy>> list_group_policies(db::Transaction& tx, const TenantId& tenant);

}  // namespace muster::registry
