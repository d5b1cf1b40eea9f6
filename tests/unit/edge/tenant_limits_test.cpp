// SPDX-License-Identifier: Apache-2.0
//
// A tenant's limits on their way from the server's line to a delta file.
#include <gtest/gtest.h>

#include "edge/entity_codec.h"
#include "edge/entity_line.h"

namespace muster::edge {
namespace {

TenantState tenant_with_limits() {
  TenantState tenant{TenantId::random(), "acme", EntityStatus::kActive};
  tenant.limits.total.connections = 7;
  tenant.limits.device.publish_messages_per_second = 3;
  return tenant;
}

TEST(TenantLimitsOnTheWay, ComeBackFromADeltaFile) {
  for (const TenantState& state : {TenantState{TenantId::random(), "beta"}, tenant_with_limits()}) {
    Bytes bytes;
    ASSERT_TRUE(append_entity(bytes, state).ok());
    BytesView rest = bytes;
    const auto back = take_entity(rest);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(std::get<TenantState>(*back), state);
  }
}

TEST(TenantLimitsOnTheWay, BrokenOnesBreakTheEntity) {
  Bytes attributes;
  ASSERT_TRUE(append_tenant_attributes(attributes, tenant_with_limits()).ok());
  ASSERT_TRUE(read_tenant_attributes(attributes));
  attributes.back() ^= 0xFF;  // a rate beyond what there is
  EXPECT_FALSE(read_tenant_attributes(attributes));
}

TEST(TenantLimitsOnTheWay, StandInTheLineOverWhichDigestsAreMade) {
  const std::string line = to_entity_line(tenant_with_limits());
  EXPECT_NE(line.find(R"("limits":{"total":{"connections":7},"device":{"publish_messages_per_second":3}}})"),
            std::string::npos)
      << line;
}

}  // namespace
}  // namespace muster::edge
