// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a registry in a database of its own, with the steps that most tests begin with. A step that fails throws, so
// the test fails where it stands.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/random.h"
#include "db/connection_pool.h"
#include "db/transaction.h"
#include "registry/certificate_store.h"
#include "registry/change_store.h"
#include "registry/crl_store.h"
#include "registry/device_store.h"
#include "registry/edge_store.h"
#include "registry/entity_loader.h"
#include "registry/issuer_store.h"
#include "registry/policy_store.h"
#include "registry/tenant_store.h"
#include "registry/token_store.h"
#include "support/postgres_lab.h"

namespace muster::registry {

inline const UtcTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();
inline const UtcTime kYearLater = parse_rfc3339("2027-11-22T12:00:00Z").value();

template <typename T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(to_log_text(result.error()));
  return std::move(result).value();
}
inline void must(const Result<void>& result) {
  if (!result.ok()) throw std::runtime_error(to_log_text(result.error()));
}
template <typename T>
std::string reason_of(const Result<T>& result) {
  return result.ok() ? "" : std::string(result.error().reason);
}

inline Sha256 random_hash() {
  Sha256 hash{};
  fill_random(hash);
  return hash;
}

class RegistryTest : public ::testing::Test {
 protected:
  using Transaction = db::Transaction;

  RegistryTest() : database_(test_support::PostgresLab::shared().create_database()), pool_(make_pool(8)) {}

  std::unique_ptr<db::ConnectionPool> make_pool(std::size_t size) const {
    db::PoolConfig config;
    config.url = database_.url("muster_server");
    config.size = size;
    return must(db::ConnectionPool::create(config));
  }

  template <typename Body>
  auto in(const TenantId& tenant, Body&& body) {
    return db::run_in_transaction(*pool_, db::Scope::of_tenant(tenant), body);
  }
  template <typename Body>
  auto in_system(Body&& body) {
    return db::run_in_transaction(*pool_, db::Scope::system(), body);
  }

  // What a CRL of shard 0 would list.
  std::vector<Bytes> revoked_serials(const IssuerId& issuer) {
    std::vector<Bytes> serials;
    must(in_system([&](Transaction& tx) -> Result<void> {
      MUSTER_TRY(const CrlOrigin origin, begin_crl(tx, {issuer, 0}));
      return visit_revoked(tx, {issuer, 0}, origin, kNow, [&](BytesView serial, UtcTime, RevocationReason) {
        serials.emplace_back(serial.begin(), serial.end());
        return Result<void>{};
      });
    }));
    return serials;
  }

  Tenant make_tenant(const std::string& name) {
    const auto parsed = must(TenantName::parse(name));
    return must(in_system([&](Transaction& tx) { return create_tenant(tx, parsed); }));
  }

  static NewDevice new_device(const std::string& name) {
    return {must(DeviceName::parse(name)), {}, {}, {}, "token:test"};
  }
  Device make_device(const TenantId& tenant, const std::string& name) {
    return must(in(tenant, [&](Transaction& tx) { return create_device(tx, tenant, new_device(name)); }));
  }

  Issuer make_issuer(const TenantId& tenant, IssuerStatus status = IssuerStatus::kActive) {
    Issuer issuer;
    issuer.id = IssuerId::random();
    issuer.tenant_id = tenant;
    issuer.status = status;
    issuer.spki_sha256 = random_hash();
    issuer.certificate = random_bytes(400);
    issuer.chain = {random_bytes(300), random_bytes(200)};
    issuer.not_before = kNow;
    issuer.not_after = kYearLater;
    must(in(tenant, [&](Transaction& tx) { return insert_issuer(tx, issuer); }));
    return issuer;
  }

  static CertificateIntent new_intent(const Issuer& issuer, const DeviceId& device) {
    Bytes serial = random_bytes(17);
    serial[0] = 0x01;
    return {issuer.id, serial, device, random_hash(), random_bytes(500)};
  }
  static NewCertificate signed_from(const CertificateIntent& intent, UtcTime not_after = kYearLater) {
    return {random_hash(),      intent.issuer_id,
            intent.serial,      intent.device_id,
            intent.spki_sha256, kNow - std::chrono::hours(48),
            not_after,          0,
            "default",          random_bytes(600)};
  }
  NewCertificate issue(const Issuer& issuer, const DeviceId& device, UtcTime not_after = kYearLater) {
    const CertificateIntent intent = new_intent(issuer, device);
    const NewCertificate certificate = signed_from(intent, not_after);
    must(in(issuer.tenant_id, [&](Transaction& tx) { return reserve_intents(tx, issuer.tenant_id, {&intent, 1}); }));
    must(in(issuer.tenant_id, [&](Transaction& tx) {
      return store_certificates(tx, issuer.tenant_id, {&certificate, 1});
    }));
    return certificate;
  }

  Edge join_edge(const std::string& name, std::vector<TenantId> tenants = {}) {
    NewEdge edge{name, std::move(tenants), random_hash(), kYearLater};
    must(in_system([&](Transaction& tx) { return create_edge(tx, edge); }));
    return must(in_system([&](Transaction& tx) { return redeem_join_token(tx, edge.join_token_sha256, kNow); }));
  }
  ChangePosition position() {
    return must(in_system([](Transaction& tx) { return current_position(tx); }));
  }
  ChangeBatch changes_since(const ChangePosition& since) {
    return must(in_system([&](Transaction& tx) { return read_changes(tx, since, {}, 1000); }));
  }
  void acknowledge_all(const Edge& edge) {
    const auto at = position();
    must(in_system([&](Transaction& tx) { return acknowledge_changes(tx, edge.id, at.epoch, at.number, kNow); }));
  }

  test_support::TestDatabase database_;
  std::unique_ptr<db::ConnectionPool> pool_;
};

}  // namespace muster::registry
