// SPDX-License-Identifier: Apache-2.0
//
// A factory obtains the first certificate of a device that it created or that its token names (design.md §5), and no
// other: a factory may be hostile to devices that somebody else registered and that have not been enrolled yet.
#include "integration/enroll/enroll_lab.h"
#include "registry/token_store.h"

namespace muster::enroll {
namespace {

constexpr const char* kNotAllowed = "enroll.device_not_allowed";

class FactoryRule : public EnrollLab {
 protected:
  void register_device(const LabTenant& tenant, const std::string& name, const Caller& by) {
    const auto made = db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id), [&](db::Transaction& tx) {
      return registry::create_device(tx, tenant.id,
                                     {DeviceName::parse(name).value(), {}, {}, PolicyId{}, by.audit_name()});
    });
    ASSERT_TRUE(made.ok()) << to_log_text(made.error());
  }
  Caller factory_with_list(const LabTenant& tenant, std::vector<std::string> devices) {
    registry::NewToken token;
    token.tenant_id = tenant.id;
    token.role = registry::TokenRole::kFactory;
    token.sha256.fill(++tokens_);
    token.devices = std::move(devices);
    const auto made = db::run_in_transaction(*pool, db::Scope::of_tenant(tenant.id),
                                             [&](db::Transaction& tx) { return registry::create_token(tx, token); });
    EXPECT_TRUE(made.ok()) << to_log_text(made.error());
    Caller who = caller(CallerRole::kFactory, tenant.id);
    who.token = made->id;
    return who;
  }
  // With a new key each time.
  std::string enrol(const Caller& who, const std::string& device) {
    return reason_of(authority->enroll(who, request(acme, device, DeviceKey{})));
  }
  std::uint8_t tokens_ = 0;
};

TEST_F(FactoryRule, DevicesOfOthersAreNotAFactorysToEnrol) {
  const Caller other = caller(CallerRole::kFactory, acme.id);
  register_device(acme, "by-admin", acme.admin);
  register_device(acme, "by-other", other);
  register_device(acme, "own", acme.factory);

  EXPECT_EQ(enrol(acme.factory, "by-admin"), kNotAllowed);
  EXPECT_EQ(enrol(acme.factory, "by-other"), kNotAllowed);
  EXPECT_EQ(enrol(acme.factory, "own"), "issued");
  EXPECT_EQ(enrol(other, "by-other"), "issued");
  EXPECT_EQ(enrol(acme.admin, "by-admin"), "issued");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.audit_events WHERE action = 'certificate.issue' AND "
                             "outcome = 'refused' AND detail::text LIKE '%enroll.device_not_allowed%'"),
            "2");
}

TEST_F(FactoryRule, AnAllowListAddsWhatItNamesAndOnlyTheFirstCertificate) {
  register_device(acme, "listed", acme.admin);
  register_device(acme, "unlisted", acme.admin);
  const Caller factory = factory_with_list(acme, {"listed", "not-there"});

  EXPECT_EQ(enrol(factory, "unlisted"), kNotAllowed);
  EXPECT_EQ(enrol(factory, "listed"), "issued");
  EXPECT_EQ(enrol(factory, "listed"), "enroll.factory_first_certificate_only");
  EXPECT_EQ(enrol(factory, "own"), "issued");  // created by this request
}

TEST_F(FactoryRule, AListOfAnotherTenantOrRevokedTokenGivesNothing) {
  register_device(acme, "listed", acme.admin);
  const Caller of_beta = factory_with_list(beta, {"listed"});
  Caller posing = of_beta;
  posing.tenant = acme.id;
  const Caller revoked = factory_with_list(acme, {"listed"});
  ASSERT_TRUE(db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
                return registry::revoke_token(tx, acme.id, *revoked.token, clock.now());
              }).ok());

  EXPECT_EQ(enrol(of_beta, "listed"), "enroll.caller_forbidden");
  EXPECT_EQ(enrol(posing, "listed"), kNotAllowed);
  EXPECT_EQ(enrol(revoked, "listed"), kNotAllowed);
}

TEST_F(FactoryRule, ABatchIsJudgedLineByLine) {
  register_device(acme, "by-admin", acme.admin);
  register_device(acme, "listed", acme.admin);
  const Caller factory = factory_with_list(acme, {"listed"});
  const std::vector<DeviceKey> keys(4);
  const std::vector<EnrollRequest> requests{request(acme, "by-admin", keys[0]), request(acme, "new", keys[1]),
                                            request(acme, "listed", keys[2]), request(acme, "new", keys[3])};

  const auto results = authority->enroll_batch(factory, requests);

  EXPECT_EQ(reason_of(results[0]), kNotAllowed);
  EXPECT_EQ(reason_of(results[1]), "issued");
  EXPECT_EQ(reason_of(results[2]), "issued");
  EXPECT_EQ(reason_of(results[3]), "enroll.factory_first_certificate_only");
}

// Who deletes a device and registers its name again has made another device.
TEST_F(FactoryRule, ANameThatIsUsedAgainIsAnotherDevice) {
  register_device(acme, "pump", acme.factory);
  const DeviceId old = device_id(acme, "pump");
  ASSERT_TRUE(db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) {
                return registry::delete_device(tx, acme.id, old, clock.now());
              }).ok());
  register_device(acme, "pump", acme.admin);

  EXPECT_EQ(enrol(acme.factory, "pump"), kNotAllowed);
}

}  // namespace
}  // namespace muster::enroll
