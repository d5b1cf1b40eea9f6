// SPDX-License-Identifier: Apache-2.0
#include "db/statement.h"
#include "registry/certificate_holder.h"

namespace muster::registry {

namespace {

const db::Statement kFind{
    "find_certificate_holder",
    "SELECT c.tenant_id, t.name, t.status = 'active', c.device_id, d.name, d.status = 'active', c.status = 'active',"
    " c.not_after FROM muster.certificates AS c JOIN muster.tenants AS t ON t.id = c.tenant_id"
    " JOIN muster.devices AS d ON d.tenant_id = c.tenant_id AND d.id = c.device_id WHERE c.id = $1::bytea"};

}  // namespace

Result<std::optional<CertificateHolder>> find_certificate_holder(db::Transaction& tx, const Sha256& certificate_id,
                                                                 UtcTime now) {
  MUSTER_TRY(const auto rows, db::run(tx, kFind, {certificate_id}));
  if (rows.empty()) return std::optional<CertificateHolder>{};
  const db::Row row = rows[0];
  const bool ended = row.time(7) < now;  // notAfter is inclusive [RFC5280 4.1.2.5]
  return std::optional<CertificateHolder>{{row.id<TenantId>(0), row.text(1), row.boolean(2), row.id<DeviceId>(3),
                                           row.text(4), row.boolean(5), row.boolean(6) && !ended}};
}

}  // namespace muster::registry
