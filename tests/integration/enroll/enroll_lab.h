// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a registration authority over a real PostgreSQL with two tenants, and keys made by OpenSSL as a device
// would.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "ca/key_store_config.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "db/connection_pool.h"
#include "db/transaction.h"
#include "enroll/registration_authority.h"
#include "registry/device_store.h"
#include "registry/tenant_store.h"
#include "support/postgres_lab.h"
#include "x509/openssl_ptr.h"

namespace muster::enroll {

// A device's key pair; csr() proves possession of it.
class DeviceKey {
 public:
  DeviceKey() : key_(EVP_EC_gen("P-256")) {}

  std::string csr() const {
    X509_REQ* request = X509_REQ_new();
    X509_REQ_set_version(request, 0);
    X509_REQ_set_pubkey(request, key_.get());
    X509_REQ_sign(request, key_.get(), EVP_sha256());
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(out, request);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    BIO_free(out);
    X509_REQ_free(request);
    return pem;
  }

 private:
  x509::EvpPkeyPtr key_;
};

class MovableClock final : public Clock {
 public:
  UnixMicros now_micros() const override { return SystemClock{}.now_micros() + offset_.load(); }
  void advance(std::chrono::seconds by) { offset_ += std::chrono::microseconds(by).count(); }

 private:
  std::atomic<std::int64_t> offset_{0};
};

struct LabTenant {
  TenantId id;
  std::string name;
  Caller admin;
  Caller factory;
};

class EnrollLab : public ::testing::Test {
 protected:
  void SetUp() override {
    db::PoolConfig config;
    config.url = database.url("muster_server");
    config.size = 16;
    pool = db::ConnectionPool::create(config).value();
    authority = make_authority();
    const auto ready = authority->initialise_deployment();
    ASSERT_TRUE(ready.ok()) << to_log_text(ready.error());
    acme = make_tenant("acme");
    beta = make_tenant("beta");
  }

  std::unique_ptr<RegistrationAuthority> make_authority(std::uint8_t kek = 9) {
    return RegistrationAuthority::create({}, ca::KeyEncryptionKey::from_bytes(Bytes(32, kek)).value(), *pool, clock,
                                         metrics)
        .value();
  }

  static Caller caller(CallerRole role, std::optional<TenantId> tenant) {
    Caller made;
    made.role = role;
    made.tenant = tenant;
    made.token = TokenId::random();
    return made;
  }

  LabTenant make_tenant(const std::string& name) {
    const auto row = db::run_in_transaction(*pool, db::Scope::system(), [&](db::Transaction& tx) {
      return registry::create_tenant(tx, TenantName::parse(name).value());
    });
    EXPECT_TRUE(row.ok()) << to_log_text(row.error());
    LabTenant tenant{row->id, name, caller(CallerRole::kTenantAdmin, row->id), caller(CallerRole::kFactory, row->id)};
    const auto issuer = authority->ensure_tenant_issuer(platform, row->id);
    EXPECT_TRUE(issuer.ok()) << to_log_text(issuer.error());
    return tenant;
  }

  EnrollRequest request(const LabTenant& tenant, const std::string& device, const DeviceKey& key) const {
    EnrollRequest made;
    made.tenant = tenant.id;
    made.device = device;
    made.csr = key.csr();
    made.create = CreateDevice::kYes;
    return made;
  }

  DeviceId device_id(const LabTenant& tenant, const std::string& device) {
    return db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                                  [&](db::Transaction& tx) {
                                    return registry::get_device(tx, tenant.id, DeviceName::parse(device).value());
                                  })
        .value()
        .id;
  }

  Caller as_device(const LabTenant& tenant, const std::string& device, const IssuedCertificate& certificate) {
    Caller made;
    made.role = CallerRole::kDevice;
    made.tenant = tenant.id;
    made.device = device_id(tenant, device);
    made.device_certificate_id = certificate.id;
    return made;
  }

  std::string reason_of(const Result<IssuedCertificate>& result) {
    return result.ok() ? "issued" : std::string(result.error().reason);
  }

  test_support::TestDatabase database = test_support::PostgresLab::shared().create_database();
  MovableClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<db::ConnectionPool> pool;
  std::unique_ptr<RegistrationAuthority> authority;
  Caller platform = caller(CallerRole::kPlatformAdmin, std::nullopt);
  LabTenant acme, beta;
};

}  // namespace muster::enroll
