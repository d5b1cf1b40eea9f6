// SPDX-License-Identifier: Apache-2.0
//
// Purpose: policy documents and where they are attached; which of them a device has: core/policy_attachment.h. Edges
// get attachments with the tenant and resolve them there, so changing one costs one change, however many devices it is
// about. Scope: the tenant's. The caller has checked the rules with core/policy_check.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/id.h"
#include "core/limits.h"
#include "core/policy_attachment.h"
#include "core/policy_document.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

struct PolicyDocument {
  PolicyId id;
  TenantId tenant_id;
  std::string name;
  std::vector<PolicyRule> rules;
  Limits limits;  // of each device that has it
  UtcTime created_at{};
  UtcTime updated_at{};
};

inline constexpr std::size_t kMaxGroupPolicies = 1000;  // of a tenant: each of its changes carries them all

// A policy's name matches [a-z0-9][a-z0-9._-]{0,62}. Reasons: policy.exists, policy.name_invalid.
Result<PolicyDocument> create_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                     std::span<const PolicyRule> rules, const Limits& limits = {});
Result<PolicyDocument> get_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name);
Result<PolicyDocument> get_policy_by_id(db::Transaction& tx, const TenantId& tenant, const PolicyId& id);
Result<Page<PolicyDocument>> list_policies(db::Transaction& tx, const TenantId& tenant, const PageRequest& page);
// Reason: policy.not_found.
Result<PolicyDocument> replace_policy_rules(db::Transaction& tx, const TenantId& tenant, std::string_view name,
                                            std::span<const PolicyRule> rules, const Limits& limits = {});
// Reasons: policy.not_found, policy.in_use (a device, a group or the tenant has it). Leaves a tombstone; the name is
// free.
Result<void> delete_policy(db::Transaction& tx, const TenantId& tenant, std::string_view name);

struct GroupPolicy {
  std::string group;
  PolicyId policy_id;
  std::string policy_name;
};
// `policy` nil: detach. Announces the tenant. Reasons: policy.not_found, device.group_invalid, policy.too_many_groups.
Result<void> set_group_policy(db::Transaction& tx, const TenantId& tenant, std::string_view group,
                              const PolicyId& policy);
// By group.
Result<std::vector<GroupPolicy>> list_group_policies(db::Transaction& tx, const TenantId& tenant);
Result<PolicyAttachments> load_attachments(db::Transaction& tx, const TenantId& tenant);

}  // namespace muster::registry
