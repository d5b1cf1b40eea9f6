// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace muster::auth_plugin {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(BrokerMetrics, TenantsBeyondTheCapShareTheCountersOfOther) {
  BrokerMetrics metrics;
  for (std::size_t i = 0; i < BrokerMetrics::kMaxTenants + 50; ++i) {
    metrics.of_tenant(TenantId::random(), "tenant-" + std::to_string(i)).messages.add();
  }
  const std::string text = metrics.render();
  EXPECT_EQ(count_of(text, "muster_broker_tenant_messages_total{"), BrokerMetrics::kMaxTenants + 1);
  EXPECT_NE(text.find("muster_broker_tenant_messages_total{tenant=\"tenant-0\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("muster_broker_tenant_messages_total{tenant=\"other\"} 50\n"), std::string::npos);
}

TEST(BrokerMetrics, ATenantIsFoundAgainByItsId) {
  BrokerMetrics metrics;
  const TenantId acme = TenantId::random();
  metrics.of_tenant(acme, "acme").octets.add(3);
  metrics.of_tenant(acme, "acme").octets.add(4);
  EXPECT_NE(metrics.render().find("muster_broker_tenant_octets_total{tenant=\"acme\"} 7\n"), std::string::npos);
}

// The attack: a tenant whose name is that of the sum.
TEST(BrokerMetrics, NoTenantHidesUnderTheNameOfTheOthers) {
  BrokerMetrics metrics;
  metrics.of_tenant(TenantId::random(), "other").connects.add();
  metrics.of_tenant(TenantId::random(), "").connects.add();
  EXPECT_NE(metrics.render().find("muster_broker_tenant_connects_total{tenant=\"other\"} 2\n"), std::string::npos);
}

TEST(BrokerMetrics, CommitsAreCountedByDuration) {
  BrokerMetrics metrics;
  metrics.committed(400);
  metrics.committed(9'000'000);
  const std::string text = metrics.render();
  EXPECT_NE(text.find("muster_broker_wal_commit_seconds_bucket{le=\"0.0005\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("muster_broker_wal_commit_seconds_count 2\n"), std::string::npos);
}

}  // namespace
}  // namespace muster::auth_plugin
