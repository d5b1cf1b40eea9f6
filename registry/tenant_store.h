// SPDX-License-Identifier: Apache-2.0
//
// Purpose: tenants. States: active ⇄ suspended → deleting → deleted (a tombstone that keeps id and name). Every change
// is announced to the edges in the same transaction. Scope: system, unless said otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/id.h"
#include "core/identity.h"
#include "core/time.h"
#include "db/later.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

enum class TenantStatus : std::uint8_t { kActive, kSuspended, kDeleting, kDeleted };
std::string_view to_string(TenantStatus status);  // "active" …

struct Tenant {
  TenantId id;
  std::string name;
  TenantStatus status = TenantStatus::kActive;
  PolicyId default_policy_id;       // nil: the built-in default policy
  std::string default_policy_name;  // empty: likewise
  UtcTime created_at{};
};

// Reasons: tenant.exists, tenant.name_held (a deleted tenant of that name has a certificate that is neither expired nor
// revoked, or an edge that has not acknowledged the deletion).
Result<Tenant> create_tenant(db::Transaction& tx, const TenantName& name);

// Not deleted ones only. Scope: system, or the tenant's own.
Result<std::optional<Tenant>> find_tenant(db::Transaction& tx, const TenantName& name);
Result<Tenant> get_tenant(db::Transaction& tx, const TenantName& name);  // reason: tenant.not_found
db::Later<std::optional<Tenant>> ask_tenant(db::Transaction& tx, const TenantName& name);
// By id; a deleted one too.
db::Later<Tenant> ask_tenant_by_id(db::Transaction& tx, const TenantId& id);
Result<Tenant> get_tenant_by_id(db::Transaction& tx, const TenantId& id);  // reason: tenant.not_found

// By name, deleted ones left out.
Result<Page<Tenant>> list_tenants(db::Transaction& tx, const PageRequest& page);

// active ⇄ suspended. Reasons: tenant.not_found, tenant.status_invalid.
Result<void> set_tenant_status(db::Transaction& tx, const TenantId& id, TenantStatus status);

// `policy` nil: the built-in default. Announces every device of the tenant that has no policy of its own.
// Scope: the tenant's. Reasons: tenant.not_found, policy.not_found.
Result<void> set_tenant_default_policy(db::Transaction& tx, const TenantId& id, const PolicyId& policy);

// Deletion has two steps, so that a tenant of a million devices need not be deleted in one transaction: begin makes
// edges refuse all its devices at once; finish_tenant_deletion deletes up to `limit` devices (revoking their
// certificates: cessationOfOperation) and returns true when the tenant has become a tombstone.
Result<void> begin_tenant_deletion(db::Transaction& tx, const TenantId& id);  // reason: tenant.not_found
Result<bool> finish_tenant_deletion(db::Transaction& tx, const TenantId& id, std::size_t limit, UtcTime now);

}  // namespace muster::registry
