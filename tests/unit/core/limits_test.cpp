// SPDX-License-Identifier: Apache-2.0
#include "core/limits.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

Limits some() {
  Limits limits;
  limits.publish_messages_per_second = 10;
  limits.publish_messages_burst = 100;
  limits.payload_octets = 1024;
  return limits;
}

TEST(Limits, AreSetByTheirJsonNamesWithinTheirBounds) {
  for (const LimitField& field : limit_fields()) {
    const LimitScope scope = field.of_device ? LimitScope::kDevice : LimitScope::kTenant;
    Limits limits;
    ASSERT_TRUE(set_limit(limits, scope, field.name, field.most).ok()) << field.name;
    EXPECT_EQ(limits.*(field.member), field.most);
    const Limits before = limits;
    EXPECT_EQ(set_limit(limits, scope, field.name, std::int64_t{field.most} + 1).error().reason, "limits.out_of_range");
    EXPECT_EQ(set_limit(limits, scope, field.name, std::int64_t{field.least} - 1).error().reason,
              "limits.out_of_range");
    EXPECT_EQ(limits, before);
  }
}

TEST(Limits, OfAnotherScopeAreUnknown) {
  Limits limits;
  EXPECT_EQ(set_limit(limits, LimitScope::kDevice, "connections", 5).error().reason, "limits.name_unknown");
  EXPECT_EQ(set_limit(limits, LimitScope::kTenant, "payload_octets", 5).error().reason, "limits.name_unknown");
  EXPECT_EQ(set_limit(limits, LimitScope::kTenant, "Connections", 5).error().reason, "limits.name_unknown");
  EXPECT_EQ(limits, Limits{});
  limits.connections = 5;
  EXPECT_EQ(check_limits(limits, LimitScope::kDevice).error().reason, "limits.name_unknown");
}

TEST(Limits, ABurstNeedsItsRate) {
  Limits limits;
  limits.publish_octets_burst = 5;
  EXPECT_EQ(check_limits(limits, LimitScope::kDevice).error().reason, "limits.burst_without_rate");
  limits.publish_octets_per_second = 1;
  EXPECT_TRUE(check_limits(limits, LimitScope::kDevice).ok());
}

TEST(Limits, StrictestTakesTheSmallerOfEachAndNeverMoreThanEither) {
  Limits other;
  other.publish_messages_per_second = 50;
  other.in_flight = 3;
  const Limits merged = strictest(some(), other);
  EXPECT_EQ(merged, strictest(other, some()));
  EXPECT_EQ(merged.publish_messages_per_second, 10U);
  EXPECT_EQ(merged.publish_messages_burst, 50U) << "the other one's burst is its rate";
  EXPECT_EQ(merged.payload_octets, 1024U);
  EXPECT_EQ(merged.in_flight, 3U);
  EXPECT_EQ(strictest(some(), Limits{}), some());
}

TEST(Limits, ComeBackFromTheirOctets) {
  Limits every;
  for (const LimitField& field : limit_fields()) every.*(field.member) = field.most;
  for (const Limits& limits : {Limits{}, some(), every}) EXPECT_EQ(decode_limits(encode(limits)), limits);
  EXPECT_TRUE(encode(Limits{}).empty());
  const TenantLimits tenant{every, some()};
  for (const TenantLimits& limits : {TenantLimits{}, tenant, TenantLimits{{}, some()}, TenantLimits{every, {}}}) {
    EXPECT_EQ(decode_tenant_limits(encode(limits)), limits);
  }
}

TEST(Limits, BrokenOctetsAreRefusedAndLaterFieldsSkipped) {
  Bytes bytes = encode(some());
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    if (size % 5 == 0) continue;
    EXPECT_FALSE(decode_limits(BytesView(bytes).first(size))) << size;
  }
  Bytes doubled = bytes;
  doubled.insert(doubled.end(), bytes.begin(), bytes.end());
  EXPECT_FALSE(decode_limits(doubled)) << "a field stands there once";
  EXPECT_FALSE(decode_limits(Bytes{4, 0, 0, 0, 0})) << "no messages at all is no rate";
  bytes.insert(bytes.end(), {200, 1, 2, 3, 4});
  EXPECT_EQ(decode_limits(bytes), some());
  EXPECT_FALSE(decode_tenant_limits(Bytes{5}));
  EXPECT_FALSE(decode_tenant_limits(Bytes{5, 0, 1}));
}

TEST(Limits, AreWrittenAsOneCanonicalText) {
  EXPECT_EQ(to_json_text(Limits{}), "{}");
  EXPECT_EQ(to_json_text(some()),
            R"({"publish_messages_per_second":10,"publish_messages_burst":100,"payload_octets":1024})");
  EXPECT_EQ(to_json_text(TenantLimits{}), "{}");
  Limits total;
  total.connections = 2;
  Limits device;
  device.in_flight = 1;
  EXPECT_EQ(to_json_text(TenantLimits{total, device}), R"({"total":{"connections":2},"device":{"in_flight":1}})");
  EXPECT_EQ(to_json_text(TenantLimits{{}, device}), R"({"device":{"in_flight":1}})");
}

}  // namespace
}  // namespace muster
