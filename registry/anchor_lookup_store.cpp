// SPDX-License-Identifier: Apache-2.0
#include "registry/anchor_lookup_store.h"

#include "db/array.h"
#include "db/statement.h"

namespace muster::registry {

namespace {

const db::Statement kFind{"find_anchor_tenants",
                          "SELECT DISTINCT a.tenant_id FROM muster.trust_anchors AS a JOIN muster.tenants AS t"
                          " ON t.id = a.tenant_id WHERE a.subject = ANY ($1::bytea[])"
                          " AND a.status IN ('active', 'no-new-devices') AND t.status = 'active' LIMIT $2::bigint"};

}  // namespace

Result<std::vector<TenantId>> find_anchor_tenants(db::Transaction& tx, std::span<const Bytes> subjects,
                                                  std::size_t limit) {
  db::Array names(db::ElementType::kBytes);
  for (const Bytes& subject : subjects) names.add(subject);
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {names, limit}));
  std::vector<TenantId> tenants;
  for (std::size_t i = 0; i < rows.size(); ++i) tenants.push_back(rows[i].id<TenantId>(0));
  return tenants;
}

}  // namespace muster::registry
