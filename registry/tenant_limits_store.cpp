// SPDX-License-Identifier: Apache-2.0
#include "registry/tenant_limits_store.h"

#include "db/statement.h"
#include "registry/change_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const db::Statement kGet{"get_tenant_limits", "SELECT t.limits FROM muster.tenants AS t WHERE t.id = $1::uuid"};
const db::Statement kSet{"set_tenant_limits",
                         "UPDATE muster.tenants SET limits = $2 WHERE id = $1::uuid AND status <> 'deleted'"};

}  // namespace

Result<TenantLimits> get_tenant_limits(db::Transaction& tx, const TenantId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {id}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kTenantNotFound, ""};
  const auto limits = decode_tenant_limits(rows[0].bytes_view(0));
  if (!limits) return Error{ErrorCode::kCorrupt, "limits.broken", "the tenant's limits cannot be read"};
  return *limits;
}

Result<void> set_tenant_limits(db::Transaction& tx, const TenantId& id, const TenantLimits& limits) {
  MUSTER_TRY_VOID(check_limits(limits.total, LimitScope::kTenant));
  MUSTER_TRY_VOID(check_limits(limits.device, LimitScope::kDevice));
  const Bytes encoded = encode(limits);
  MUSTER_TRY(const auto updated, db::run(tx, kSet, {id, encoded}));
  if (updated.affected() == 0) return Error{ErrorCode::kNotFound, kTenantNotFound, ""};
  announce(tx, EntityKind::kTenant, id, id.octets());
  return {};
}

}  // namespace muster::registry
