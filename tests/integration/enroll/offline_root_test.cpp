// SPDX-License-Identifier: Apache-2.0
#include "enroll/offline_root.h"
#include "integration/enroll/customer_ca.h"
#include "integration/enroll/enroll_lab.h"

namespace muster::enroll {
namespace {

const std::string kPlatformExtensions =
    "basicConstraints=critical,CA:TRUE,pathlen:2\n"
    "keyUsage=critical,keyCertSign,cRLSign\n"
    "subjectKeyIdentifier=hash\n"
    "authorityKeyIdentifier=keyid\n";

class OfflineRootTest : public EnrollLab {
 protected:
  void SetUp() override {
    db::PoolConfig config;
    config.url = database.url("muster_server");
    config.size = 4;
    pool = db::ConnectionPool::create(config).value();
    authority = make_authority();
  }
  void begin() {
    const auto ready = authority->initialise_deployment(DeviceRoot::kOffline);
    ASSERT_TRUE(ready.ok()) << to_log_text(ready.error());
    request_pem = OfflineRoot(*authority).request_pem().value();
  }
  std::string install(const std::string& chain) {
    const auto done = OfflineRoot(*authority).install(chain);
    return done.ok() ? "" : std::string(done.error().reason);
  }
  TenantId new_tenant(const std::string& name) {
    return db::run_in_transaction(
               *pool, db::Scope::system(),
               [&](db::Transaction& tx) { return registry::create_tenant(tx, TenantName::parse(name).value()); })
        .value()
        .id;
  }
  std::string count(const std::string& what) { return database.execute("SELECT count(*) FROM " + what); }

  CustomerCa root;
  std::string request_pem;
};

TEST_F(OfflineRootTest, NothingIsIssuedUntilTheChainIsThereAndThenItIs) {
  begin();
  EXPECT_EQ(count("muster.issuers WHERE kind = 'device-root'"), "0");
  const TenantId tenant = new_tenant("acme");
  const auto early = authority->ensure_tenant_issuer(platform, tenant);
  ASSERT_FALSE(early.ok());
  EXPECT_EQ(early.error().reason, "enroll.intermediate_missing");
  EXPECT_NE(early.error().detail.find("muster ca install"), std::string::npos);
  EXPECT_EQ(authority->device_root_pem().error().reason, "enroll.intermediate_missing");

  // Another process, as a server that starts meanwhile: it makes no root of its own and needs no restart afterwards.
  const auto server = make_authority();
  ASSERT_TRUE(server->initialise_deployment().ok());
  EXPECT_EQ(count("muster.issuers WHERE kind = 'device-root'"), "0");
  EXPECT_EQ(server->ensure_tenant_issuer(platform, tenant).error().reason, "enroll.intermediate_missing");

  EXPECT_EQ(install(root.chain(request_pem, kPlatformExtensions)), "");
  ASSERT_TRUE(server->ensure_tenant_issuer(platform, tenant).ok());
  EXPECT_EQ(server->device_root_pem().value(), root.root());
  const Caller admin = caller(CallerRole::kTenantAdmin, tenant);
  const DeviceKey key;
  const auto issued = server->enroll(admin, request({tenant, "acme", admin, admin}, "pump-1", key));
  ASSERT_TRUE(issued.ok()) << to_log_text(issued.error());
  EXPECT_TRUE(root.verifies(issued->certificate_pem, issued->chain_pem));
  EXPECT_EQ(count("muster.audit_events WHERE action = 'issuer.set_status'"), "1");
}

TEST_F(OfflineRootTest, AskingAgainGivesTheSameRequest) {
  begin();
  const auto again = make_authority();
  ASSERT_TRUE(again->initialise_deployment(DeviceRoot::kOffline).ok());
  EXPECT_EQ(OfflineRoot(*again).request_pem().value(), request_pem);
  EXPECT_EQ(install(root.chain(request_pem, kPlatformExtensions)), "");
  EXPECT_EQ(install(root.chain(request_pem, kPlatformExtensions)), "issuer.not_found") << "nobody waits any more";
}

TEST_F(OfflineRootTest, APlatformCaNeedsRoomForTenantsAndTheirPlants) {
  begin();
  EXPECT_EQ(install(root.chain(request_pem, kIssuingExtensions)), "issuer.path_length");
  EXPECT_EQ(install(root.chain(request_pem,
                               kPlatformExtensions + "nameConstraints=critical,permitted;URI:acme.muster.internal\n")),
            "issuer.name_constraints");
  EXPECT_EQ(install(root.chain(DeviceKey().csr(), kPlatformExtensions + "subjectAltName=DNS:x\n")),
            "issuer.key_mismatch");
  EXPECT_EQ(count("muster.issuers WHERE kind = 'device-intermediate' AND status = 'requested'"), "1");
  EXPECT_EQ(install(root.chain(request_pem,
                               kPlatformExtensions + "nameConstraints=critical,permitted;URI:.muster.internal\n")),
            "");
}

TEST_F(OfflineRootTest, ADeploymentMovesFromItsOwnRootToAnOfflineOne) {
  ASSERT_TRUE(authority->initialise_deployment().ok());
  const TenantId tenant = new_tenant("acme");
  ASSERT_TRUE(authority->ensure_tenant_issuer(platform, tenant).ok());
  const std::string before = authority->device_root_pem().value();
  authority = make_authority();
  begin();
  EXPECT_EQ(authority->device_root_pem().value(), before) << "what signed goes on signing until the chain is there";
  EXPECT_EQ(install(root.chain(request_pem, kPlatformExtensions)), "");
  EXPECT_EQ(authority->device_root_pem().value(), root.root());
  EXPECT_EQ(count("muster.issuers WHERE kind = 'device-intermediate' AND status = 'retiring'"), "1");
  ASSERT_TRUE(authority->ensure_tenant_issuer(platform, new_tenant("beta")).ok());
}

}  // namespace
}  // namespace muster::enroll
