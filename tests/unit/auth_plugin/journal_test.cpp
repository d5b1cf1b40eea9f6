// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/journal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "auth-plugin/reasons.h"
#include "support/denial_wal.h"

namespace muster::auth_plugin {
namespace {

class JournalOfStrangers : public testing::Test {
 protected:
  void refuse(const TenantId& tenant, std::string_view name, std::string_view principal, std::string_view reason) {
    Stranger stranger;
    stranger.principal = principal;
    stranger.tenant_id = tenant;
    stranger.tenant_name = name;
    journal_.stranger_refused(stranger, reason);
  }
  auto records_of(std::string_view subject) const { return std::ranges::count(wal_.subjects, subject); }

  const TenantId acme_ = TenantId::random();
  const TenantId beta_ = TenantId::random();
  test_support::DenialWal wal_;
  SystemClock clock_;
  BrokerMetrics metrics_;
  std::size_t lines_ = 0;
  Journal journal_{wal_, metrics_, clock_, [this](LogLevel, const std::string&) { ++lines_; }};
};

TEST_F(JournalOfStrangers, FloodOfOneKindHidesNeitherAnotherKindNorAnotherTenant) {
  for (int i = 0; i < 1000; ++i) refuse(acme_, "acme", "acme/d" + std::to_string(i), reasons::kCertificateNotListed);
  const auto flood = static_cast<std::ptrdiff_t>(wal_.subjects.size());
  EXPECT_GE(flood, 1);
  EXPECT_LT(flood, 100) << "a stranger must not fill the tenant's stream";

  refuse(acme_, "acme", "acme/d1", reasons::kCertificateExpired);
  refuse(beta_, "beta", "beta/d1", reasons::kCertificateNotListed);
  EXPECT_EQ(wal_.denials.at(wal_.denials.size() - 2), reasons::kCertificateExpired);
  EXPECT_EQ(records_of("beta/d1"), 1);
}

TEST_F(JournalOfStrangers, FloodByNobodyHidesNoTenantsRecord) {
  for (int i = 0; i < 1000; ++i) refuse({}, "", "", reasons::kHandshakeFailed);
  EXPECT_TRUE(wal_.subjects.empty()) << "nobody's denial is in nobody's stream";
  EXPECT_LT(lines_, 100U);
  refuse(acme_, "acme", "acme/d1", reasons::kHandshakeFailed);
  EXPECT_EQ(records_of("acme/d1"), 1);
}

TEST_F(JournalOfStrangers, ClaimedNameOfAnotherTenantIsNotRepeated) {
  refuse(acme_, "acme", "beta/d1", reasons::kTenantMismatch);
  refuse(acme_, "acme", "", reasons::kCertificateMissing);
  EXPECT_EQ(records_of("acme/"), 2);
  EXPECT_EQ(records_of("beta/d1"), 0);
}

}  // namespace
}  // namespace muster::auth_plugin
