// SPDX-License-Identifier: Apache-2.0
#include "core/identity.h"

#include <gtest/gtest.h>

#include <string>

namespace muster {
namespace {

TrustDomain fleet() { return TrustDomain::parse("fleet.example").value(); }

TEST(TenantName, TakesDnsLabels) {
  for (const std::string& name : {std::string{"a"}, std::string{"acme"}, std::string{"a-b"}, std::string(63, 'x')}) {
    EXPECT_TRUE(TenantName::parse(name).ok()) << name;
  }
}

TEST(TenantName, RefusesWhatIsNoLabelOrReserved) {
  const std::string too_long(64, 'x');
  for (const std::string& name : {std::string{}, std::string{"Acme"}, std::string{"-a"}, std::string{"a-"},
                                  std::string{"a.b"}, std::string{"a/b"}, std::string{"+"}, std::string{"a#"},
                                  std::string{"xn--abc"}, std::string{"a\0b", 3}, std::string{"\xc3\xa4"}, too_long}) {
    const auto parsed = TenantName::parse(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.error().reason, "tenant.name_invalid");
  }
  EXPECT_EQ(TenantName::parse("mqtt").error().reason, "tenant.name_reserved");
}

TEST(DeviceName, RefusesWildcardsSlashesAndControls) {
  for (const std::string& name :
       {std::string{"+"}, std::string{"#"}, std::string{"a/b"}, std::string{"a b"}, std::string{".a"},
        std::string{"$SYS"}, std::string{"a\n"}, std::string{"a*"}, std::string{"a%2f"}, std::string(129, 'x')}) {
    ASSERT_FALSE(DeviceName::parse(name).ok()) << name;
  }
  EXPECT_TRUE(DeviceName::parse("Pump-7_a.b").ok());
  EXPECT_TRUE(DeviceName::parse(std::string(128, 'x')).ok());
}

TEST(DeviceUri, RoundTrips) {
  const Principal pump = Principal::parse("acme/Pump-7").value();
  const std::string uri = device_uri(pump, fleet());
  EXPECT_EQ(uri, "spiffe://acme.fleet.example/device/Pump-7");
  EXPECT_EQ(parse_device_uri(uri, fleet()).value(), pump);
}

TEST(DeviceUri, IsComparedByteForByte) {
  for (const char* uri :
       {"spiffe://acme.fleet.example:x@beta.fleet.example/device/a", "SPIFFE://acme.fleet.example/device/a",
        "spiffe://acme.fleet.example:443/device/a", "spiffe://acme.fleet.example/device/a%2e",
        "spiffe://acme.fleet.example/device/a/", "spiffe://acme.fleet.example/device/", "spiffe://acme.fleet.example",
        "spiffe://Acme.fleet.example/device/a", "spiffe://acme.other.example/device/a",
        "spiffe://x@acme.fleet.example/device/a", "spiffe://acme.fleet.example//device/a",
        "spiffe://acme.fleet.example/device/a?x", "spiffe://acme.fleet.example/device/a#x", ""}) {
    ASSERT_FALSE(parse_device_uri(uri, fleet()).ok()) << uri;
  }
}

}  // namespace
}  // namespace muster
