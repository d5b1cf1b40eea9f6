// SPDX-License-Identifier: Apache-2.0
#include "api/authorisation.h"

#include <gtest/gtest.h>

namespace muster::api {
namespace {

using enroll::Caller;
using enroll::CallerRole;

constexpr int kActions = static_cast<int>(Action::kBrokerAsk) + 1;
constexpr CallerRole kTenantRoles[] = {CallerRole::kTenantAdmin, CallerRole::kFactory, CallerRole::kAuditor,
                                       CallerRole::kApplication, CallerRole::kDevice,  CallerRole::kBroker,
                                       CallerRole::kClaim};

Caller caller_of(CallerRole role, std::optional<TenantId> tenant) {
  Caller caller;
  caller.role = role;
  caller.tenant = tenant;
  return caller;
}

TEST(Authorisation, AnotherTenantIsHiddenFromEveryRoleAndAction) {
  const TenantId own = TenantId::random();
  const TenantId other = TenantId::random();
  for (const CallerRole role : kTenantRoles) {
    for (int action = 0; action < kActions; ++action) {
      EXPECT_EQ(authorise(caller_of(role, own), static_cast<Action>(action), other), Decision::kHide);
    }
  }
}

TEST(Authorisation, ThePlatformIsClosedToTenantsButForTheirAudit) {
  for (const CallerRole role : kTenantRoles) {
    for (int action = 0; action < kActions; ++action) {
      const bool audit = static_cast<Action>(action) == Action::kAuditRead;
      const bool may = audit && (role == CallerRole::kTenantAdmin || role == CallerRole::kAuditor);
      const Decision decision =
          authorise(caller_of(role, TenantId::random()), static_cast<Action>(action), std::nullopt);
      EXPECT_EQ(decision, may ? Decision::kAllow : Decision::kForbid);
    }
  }
}

TEST(Authorisation, APlatformAdminMayEverything) {
  for (int action = 0; action < kActions; ++action) {
    const Caller admin = caller_of(CallerRole::kPlatformAdmin, std::nullopt);
    EXPECT_EQ(authorise(admin, static_cast<Action>(action), std::nullopt), Decision::kAllow);
    EXPECT_EQ(authorise(admin, static_cast<Action>(action), TenantId::random()), Decision::kAllow);
  }
}

TEST(Authorisation, ATenantRoleWithoutATenantMayNothing) {
  for (const CallerRole role : {CallerRole::kTenantAdmin, CallerRole::kFactory, CallerRole::kApplication,
                                CallerRole::kDevice, CallerRole::kEdge, CallerRole::kLocal}) {
    for (int action = 0; action < kActions; ++action) {
      EXPECT_EQ(authorise(caller_of(role, std::nullopt), static_cast<Action>(action), TenantId::random()),
                Decision::kForbid);
    }
  }
}

TEST(Authorisation, APlatformAdminInsideATenantIsAContradictionAndDenied) {
  const TenantId tenant = TenantId::random();
  EXPECT_EQ(authorise(caller_of(CallerRole::kPlatformAdmin, tenant), Action::kTenantRead, tenant), Decision::kForbid);
}

TEST(Authorisation, TheTableIsWhatItSays) {
  EXPECT_TRUE(role_allows(CallerRole::kTenantAdmin, Action::kCertificateRevoke));
  EXPECT_FALSE(role_allows(CallerRole::kTenantAdmin, Action::kTenantSetStatus));
  EXPECT_FALSE(role_allows(CallerRole::kTenantAdmin, Action::kEdgeWrite));
  EXPECT_TRUE(role_allows(CallerRole::kFactory, Action::kCertificateIssue));
  EXPECT_FALSE(role_allows(CallerRole::kFactory, Action::kCertificateRevoke));
  EXPECT_FALSE(role_allows(CallerRole::kFactory, Action::kDeviceDelete));
  EXPECT_FALSE(role_allows(CallerRole::kAuditor, Action::kTokenWrite));
  EXPECT_FALSE(role_allows(CallerRole::kAuditor, Action::kStreamRead));
  EXPECT_TRUE(role_allows(CallerRole::kApplication, Action::kStreamRead));
  EXPECT_FALSE(role_allows(CallerRole::kApplication, Action::kDeviceCreate));
  EXPECT_TRUE(role_allows(CallerRole::kDevice, Action::kCertificateIssue));
  EXPECT_FALSE(role_allows(CallerRole::kDevice, Action::kDeviceUpdate));
  EXPECT_FALSE(role_allows(CallerRole::kEdge, Action::kTenantRead));
  for (int action = 0; action < kActions; ++action) {
    const auto asked = static_cast<Action>(action);
    EXPECT_EQ(role_allows(CallerRole::kBroker, asked), asked == Action::kBrokerAsk);
    EXPECT_EQ(role_allows(CallerRole::kClaim, asked), asked == Action::kCertificateIssue);
  }
}

}  // namespace
}  // namespace muster::api
