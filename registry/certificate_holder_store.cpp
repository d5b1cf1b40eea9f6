// SPDX-License-Identifier: Apache-2.0
#include "db/statement.h"
#include "registry/certificate_holder.h"

namespace muster::registry {

namespace {

// OFFSET 0, and why the array is selected: device_store.cpp.
const db::Statement kFind{
    "find_certificate_holders",
    "SELECT c.tenant_id, t.name, t.status = 'active', c.device_id, d.name, d.status = 'active', c.status = 'active',"
    " c.not_after, u.id FROM unnest((SELECT $1::bytea[])) AS u (id)"
    " CROSS JOIN LATERAL (SELECT v.tenant_id, v.device_id, v.status, v.not_after FROM muster.certificates AS v"
    "  WHERE v.id = u.id OFFSET 0) AS c"
    " CROSS JOIN LATERAL (SELECT v.name, v.status FROM muster.tenants AS v WHERE v.id = c.tenant_id OFFSET 0) AS t"
    " CROSS JOIN LATERAL (SELECT v.name, v.status FROM muster.devices AS v WHERE v.tenant_id = c.tenant_id"
    "  AND v.id = c.device_id OFFSET 0) AS d"};

}  // namespace

db::Later<std::map<Sha256, CertificateHolder>> ask_certificate_holders(db::Transaction& tx,
                                                                       std::span<const Sha256> certificate_ids,
                                                                       UtcTime now) {
  db::Array wanted(db::ElementType::kBytes);
  for (const Sha256& id : certificate_ids) wanted.add(id);
  using Found = std::map<Sha256, CertificateHolder>;
  return db::Later<Found>{[asked = db::ask(tx, kFind, {wanted}), now]() -> Result<Found> {
    MUSTER_TRY(const auto rows, asked.rows());
    Found found;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const db::Row row = rows[i];
      const bool ended = row.time(7) < now;  // notAfter is inclusive [RFC5280 4.1.2.5]
      found.emplace(row.sha256(8),
                    CertificateHolder{row.id<TenantId>(0), row.text(1), row.boolean(2), row.id<DeviceId>(3),
                                      row.text(4), row.boolean(5), row.boolean(6) && !ended});
    }
    return found;
  }};
}

}  // namespace muster::registry
