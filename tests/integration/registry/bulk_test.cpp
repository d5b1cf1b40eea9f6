// SPDX-License-Identifier: Apache-2.0
//
// The bulk statements must work on many rows at once and must not become quadratic: a plan made while the tables were
// empty is what a new installation runs its first batch with.
#include <chrono>
#include <iostream>

#include "integration/registry/registry_fixture.h"
#include "registry/audit_store.h"

namespace muster::registry {
namespace {

class Bulk : public RegistryTest {};

TEST_F(Bulk, ThousandsOfCertificatesAreStoredWithAuditAndChangesInAFewStatements) {
  constexpr std::size_t kBatch = 500;
  constexpr std::size_t kBatches = 10;
  const Tenant tenant = make_tenant("acme");
  const Issuer issuer = make_issuer(tenant.id);
  const ChangePosition start = position();
  std::vector<double> seconds;

  for (std::size_t batch = 0; batch < kBatches; ++batch) {
    std::vector<NewDevice> names;
    for (std::size_t i = 0; i < kBatch; ++i) names.push_back(new_device("d" + std::to_string(batch * kBatch + i)));
    auto devices = must(in(tenant.id, [&](Transaction& tx) { return create_devices(tx, tenant.id, names); }));
    std::vector<CertificateIntent> intents;
    std::vector<NewCertificate> certificates;
    std::vector<AuditEvent> events(kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
      intents.push_back(new_intent(issuer, devices[i].value().id));
      certificates.push_back(signed_from(intents.back()));
      events[i].tenant_id = tenant.id;
      events[i].actor = "token:1";
      events[i].action = "certificate.issue";
      events[i].target = "device:" + devices[i].value().id.text();
      events[i].detail = {{AuditField::kSerial, "00"}, {AuditField::kProfile, "default"}};
    }
    const auto begin = std::chrono::steady_clock::now();
    must(in(tenant.id, [&](Transaction& tx) { return reserve_intents(tx, tenant.id, intents); }));
    must(in(tenant.id, [&](Transaction& tx) -> Result<void> {
      MUSTER_TRY_VOID(store_certificates(tx, tenant.id, certificates));
      return append_audit_events(tx, events);
    }));
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }

  std::sort(seconds.begin(), seconds.end());
  std::cout << "certificates per second, median batch: " << kBatch / seconds[kBatches / 2] << "\n";
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.certificates"), std::to_string(kBatch * kBatches));
  EXPECT_EQ(position().number, start.number + 2 * kBatch * kBatches);
  EXPECT_LT(seconds[kBatches / 2], 10 * seconds[0] + 0.5);
}

}  // namespace
}  // namespace muster::registry
