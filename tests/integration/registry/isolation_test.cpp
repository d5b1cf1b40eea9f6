// SPDX-License-Identifier: Apache-2.0
//
// Row security is the second wall behind the stores' own tenant checks: these tests go past the first one.
#include "integration/registry/registry_fixture.h"
#include "registry/audit_store.h"
#include "registry/batch_store.h"
#include "registry/grant_store.h"
#include "registry/idempotency_store.h"
#include "registry/reasons.h"
#include "registry/wrapped_key_store.h"

namespace muster::registry {
namespace {

class Isolation : public RegistryTest {
 protected:
  Isolation() : acme_(make_tenant("acme")), beta_(make_tenant("beta")) {}

  // Runs `sql` as muster_server in the role and tenant of a request of acme.
  std::string as_acme(const std::string& sql) const {
    return database_.execute("SET ROLE muster_tenant; SET muster.tenant_id = '" + acme_.id.text() + "'; " + sql);
  }

  Tenant acme_;
  Tenant beta_;
};

TEST_F(Isolation, EveryTableWithATenantHasForcedRowSecurityAndPolicies) {
  const std::string unprotected = database_.execute(
      "SELECT coalesce(string_agg(c.relname, ', '), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE n.nspname = 'muster' AND c.relkind IN ('r', 'p') AND (c.relname = 'tenants' OR EXISTS (SELECT FROM"
      "  pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))"
      " AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = "
      "c.oid))");
  const std::string protected_tables = database_.execute(
      "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE n.nspname = 'muster' AND c.relrowsecurity");

  EXPECT_EQ(unprotected, "");
  EXPECT_GE(std::stoi(protected_tables), 15);
}

TEST_F(Isolation, TheRolesMayNotBypassRowSecurity) {
  EXPECT_EQ(database_.execute("SELECT count(*) FROM pg_roles WHERE rolname IN ('muster_tenant', 'muster_system',"
                              " 'muster_server') AND NOT rolbypassrls AND NOT rolsuper AND NOT rolinherit"),
            "3");
  EXPECT_EQ(database_.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'muster' AND tableowner IN"
                              " ('muster_tenant', 'muster_system', 'muster_server')"),
            "0");
}

TEST_F(Isolation, AnUnsetTenantMatchesNothing) {
  make_device(acme_.id, "d");

  for (const char* table : {"tenants", "devices", "policies", "certificates", "tokens", "issuers", "audit_events"}) {
    EXPECT_EQ(database_.execute(std::string("SET ROLE muster_tenant; SELECT count(*) FROM muster.") + table), "0")
        << table;
  }
}

TEST_F(Isolation, ATenantSeesItsOwnRowsOnlyWhateverTheStatementAsksFor) {
  const Issuer issuer = make_issuer(beta_.id);
  const Device device = make_device(beta_.id, "d");
  issue(issuer, device.id);
  make_device(acme_.id, "mine");

  EXPECT_EQ(as_acme("SELECT count(*) FROM muster.devices"), "1");
  EXPECT_EQ(as_acme("SELECT count(*) FROM muster.certificates"), "0");
  EXPECT_EQ(as_acme("SELECT count(*) FROM muster.issuers"), "0");
  EXPECT_EQ(as_acme("SELECT count(*) FROM muster.used_keys"), "0");
  EXPECT_EQ(as_acme("SELECT count(*) FROM muster.tenants"), "1");
  EXPECT_THROW(as_acme("SELECT count(*) FROM muster.changes"), std::runtime_error);
  EXPECT_THROW(as_acme("SELECT count(*) FROM muster.edges"), std::runtime_error);
}

TEST_F(Isolation, ATenantCannotWriteAnothersRows) {
  const Device theirs = make_device(beta_.id, "d");
  const std::string beta = "'" + beta_.id.text() + "'";

  EXPECT_THROW(as_acme("INSERT INTO muster.devices (tenant_id, name, created_by) VALUES (" + beta + ", 'x', 'x')"),
               std::runtime_error);
  EXPECT_THROW(as_acme("INSERT INTO muster.changes (number, entity_kind, entity_id, tenant_id) VALUES (99, 1, "
                       "'\\x00000000000000000000000000000000', " +
                       beta + ")"),
               std::runtime_error);
  EXPECT_THROW(
      as_acme("INSERT INTO muster.tokens (role, description, sha256) VALUES ('platform-admin', '', sha256('x'))"),
      std::runtime_error);
  EXPECT_THROW(as_acme("DELETE FROM muster.audit_events"), std::runtime_error);
  as_acme("UPDATE muster.devices SET status = 'suspended' WHERE id = '" + theirs.id.text() + "'");
  EXPECT_EQ(database_.execute("SELECT status FROM muster.devices WHERE id = '" + theirs.id.text() + "'"), "active");
}

TEST_F(Isolation, ARevokedCertificateCannotBeMadeActiveAgain) {
  const Issuer issuer = make_issuer(acme_.id);
  const Device device = make_device(acme_.id, "d");
  const NewCertificate certificate = issue(issuer, device.id);
  must(in(acme_.id, [&](Transaction& tx) { return revoke_certificate(tx, acme_.id, certificate.id, {{}, kNow}); }));

  as_acme("UPDATE muster.certificates SET status = 'active', revoked_at = NULL, revocation_reason = NULL");

  EXPECT_EQ(database_.execute("SELECT status FROM muster.certificates"), "revoked");
}

// Each store function, called in beta's scope with beta's id for acme's thing, and in beta's scope with acme's id.
TEST_F(Isolation, NoStoreFunctionReachesAnotherTenantsThing) {
  const Issuer issuer = make_issuer(acme_.id);
  const Device device = make_device(acme_.id, "d");
  const NewCertificate certificate = issue(issuer, device.id);
  const std::vector<PolicyRule> rules = {{PolicyAction::kPublish, "${tenant}/x"}};
  const auto policy = must(in(acme_.id, [&](Transaction& tx) { return create_policy(tx, acme_.id, "p", rules); }));
  PolicyActions publishing;
  publishing.add(PolicyAction::kPublish);
  const NewGrant granted{device.id,   make_device(acme_.id, "e").id, publishing, {"a"}, kAnyQos, kAnyPayload,
                         "token:test"};
  const auto grant = must(in(acme_.id, [&](Transaction& tx) { return create_grant(tx, acme_.id, granted); }));
  const NewToken token{acme_.id, TokenRole::kFactory, "", std::nullopt, random_hash()};
  const auto stored = must(in(acme_.id, [&](Transaction& tx) { return create_token(tx, token); }));
  const auto batch = must(in(acme_.id, [&](Transaction& tx) { return create_batch(tx, acme_.id, "x"); }));
  const auto name = must(DeviceName::parse("d"));
  const auto tenant_name = must(TenantName::parse("acme"));
  const std::vector<DeviceId> ids = {device.id};
  const std::vector<BatchResult> lines = {{1, "{}"}};

  for (const TenantId& claimed : {beta_.id, acme_.id}) {
    const auto refused = [&](auto&& body) { return reason_of(in(beta_.id, body)); };
    EXPECT_EQ(refused([&](Transaction& tx) { return get_device(tx, claimed, name); }), kDeviceNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_device_by_id(tx, claimed, device.id); }), kDeviceNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return update_device(tx, claimed, device.id, {}); }), kDeviceNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return delete_device(tx, claimed, device.id, kNow); }), kDeviceNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_policy(tx, claimed, "p"); }), kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return replace_policy_rules(tx, claimed, "p", rules); }), kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return delete_policy(tx, claimed, "p"); }), kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return set_tenant_default_policy(tx, claimed, policy.id); }),
              kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return set_group_policy(tx, claimed, "g", policy.id); }), kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_policy_by_id(tx, claimed, policy.id); }), kPolicyNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return create_grant(tx, claimed, granted); }), kDeviceNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return delete_grant(tx, claimed, device.id, grant.id); }), kGrantNotFound);
    EXPECT_TRUE(must(in(beta_.id, [&](Transaction& tx) { return list_grants_of(tx, claimed, device.id); })).empty());
    EXPECT_EQ(refused([&](Transaction& tx) { return get_certificate(tx, claimed, certificate.id, kNow); }),
              kCertificateNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) {
                return revoke_certificate(tx, claimed, certificate.id, {{}, kNow});
              }),
              kCertificateNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return revoke_token(tx, claimed, stored.id, kNow); }), kTokenNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_batch(tx, claimed, batch.id); }), kBatchNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return append_batch_results(tx, claimed, batch.id, lines); }),
              kBatchNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return finish_batch(tx, claimed, batch.id); }), kBatchNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_issuer(tx, issuer.id); }), kIssuerNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_active_issuer(tx, claimed, IssuerKind::kTenantIssuing); }),
              kIssuerNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return set_issuer_status(tx, issuer.id, IssuerStatus::kRetiring); }),
              kIssuerNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_wrapped_key(tx, issuer.id); }), kIssuerNotFound);
    EXPECT_EQ(refused([&](Transaction& tx) { return get_tenant(tx, tenant_name); }), kTenantNotFound);
    EXPECT_EQ(must(in(beta_.id, [&](Transaction& tx) { return count_certificates(tx, claimed, ids); })).at(0), 0U);
    EXPECT_EQ(must(in(beta_.id,
                      [&](Transaction& tx) {
                        return revoke_device_certificates(tx, claimed, device.id, {{}, kNow});
                      }))
                  .size(),
              0U);
    EXPECT_EQ(must(in(beta_.id, [&](Transaction& tx) { return list_devices(tx, claimed, {}, {}); })).items.size(), 0U);
    EXPECT_EQ(
        must(in(beta_.id, [&](Transaction& tx) { return list_certificates(tx, claimed, {}, {}, kNow); })).items.size(),
        0U);
    EXPECT_EQ(must(in(beta_.id, [&](Transaction& tx) { return list_policies(tx, claimed, {}); })).items.size(), 0U);
    EXPECT_EQ(must(in(beta_.id, [&](Transaction& tx) { return list_tokens(tx, claimed, {}); })).items.size(), 0U);
    EXPECT_EQ(must(in(beta_.id, [&](Transaction& tx) { return list_issuers(tx, claimed); })).size(), 0U);
    EXPECT_EQ(
        must(in(beta_.id, [&](Transaction& tx) { return read_batch_results(tx, claimed, batch.id, 0, 9); })).size(),
        0U);
  }
  EXPECT_EQ(reason_of(in(beta_.id, [&](Transaction& tx) { return create_device(tx, acme_.id, new_device("x")); })),
            kTenantNotFound);
  EXPECT_EQ(reason_of(in(beta_.id,
                         [&](Transaction& tx) {
                           return append_audit_event(tx, {.tenant_id = acme_.id,
                                                          .at = 0,
                                                          .actor = "a",
                                                          .action = "a",
                                                          .target = "t",
                                                          .target_name = "",
                                                          .outcome = AuditOutcome::kSuccess,
                                                          .detail = {}});
                         })),
            "database.failed");
  EXPECT_EQ(reason_of(in(beta_.id,
                         [&](Transaction& tx) {
                           return begin_idempotent(tx, {acme_.id, "c", "POST", "/", "k"}, random_hash(), kNow);
                         })),
            "database.value_refused");
}

}  // namespace
}  // namespace muster::registry
