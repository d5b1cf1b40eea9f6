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

// A WAL of which nothing is shipped, with room for a thousand octets more.
class FullWal final : public edge::WalWriter {
 public:
  IncarnationId incarnation() const override { return {}; }
  Result<std::uint64_t> append(RecordView record) override {
    octets_ += kRecordFixedSize + record.topic.size() + record.payload.size();
    return ++appended;
  }
  bool has_room_for_qos0() const override { return true; }
  edge::WalStatistics statistics() const override {
    edge::WalStatistics statistics;
    statistics.unshipped_bytes = octets_;
    statistics.room_bytes = 1000;
    return statistics;
  }
  std::uint64_t appended = 0;

 private:
  std::uint64_t octets_ = 0;
};

// Leaving and coming back, each time with a will, must not be a way around the device's part of the WAL.
TEST(JournalOfADevice, WillsTakeNoMoreOfTheWalThanItsPublishesMay) {
  FullWal wal;
  const SystemClock clock;
  BrokerMetrics metrics;
  Journal journal{wal, metrics, clock, [](LogLevel, const std::string&) {}};
  Session greedy;
  greedy.principal = "acme/d1";
  greedy.tenant_id = TenantId::random();
  greedy.device_id = DeviceId::random();
  Session other = greedy;
  other.device_id = DeviceId::random();
  other.tenant_id = TenantId::random();
  const Bytes payload(50'000, 1);
  MessageView will;
  will.topic = "acme/d1/state";
  will.payload = payload;

  for (int i = 0; i < 20; ++i) journal.will_sent(greedy, will);
  EXPECT_EQ(wal.appended, 1U);
  EXPECT_NE(metrics.render().find("muster_broker_records_refused_total{reason=\"wal.device_quota\"} 19\n"),
            std::string::npos);
  journal.will_sent(other, will);
  EXPECT_EQ(wal.appended, 2U) << "another device has its own part";
}

}  // namespace
}  // namespace muster::auth_plugin
