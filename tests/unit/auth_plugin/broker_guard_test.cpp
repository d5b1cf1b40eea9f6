// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace muster::auth_plugin {
namespace {

constexpr const char* kGlobal =
    "per_listener_settings false\n"
    "allow_anonymous false\n"
    "set_tcp_nodelay true\n"
    "allow_zero_length_clientid false\n"
    "check_retain_source true\n"
    "max_packet_size 262144\n"
    "message_size_limit 131072\n"
    "persistent_client_expiration 7d\n"
    "plugin /usr/lib/muster_auth.so\n";
constexpr const char* kListener =
    "listener 8883\n"
    "cafile /ca.pem\n"
    "certfile /c.pem\n"
    "keyfile /k.pem\n"
    "require_certificate true\n"
    "tls_version tlsv1.2\n"
    "max_qos 1\n";

std::string without(std::string text, const std::string& key) {
  const std::size_t at = text.find(key);
  return text.erase(at, text.find('\n', at) + 1 - at);
}

TEST(BrokerGuard, AcceptsTheDocumentedBaseline) {
  const auto checked = check_broker_config(std::string("# a comment\n\n  ") + kGlobal + kListener);
  EXPECT_TRUE(checked.ok()) << (checked.ok() ? "" : checked.error().detail);
}

TEST(BrokerGuard, RefusesEverySettingThatLeadsAroundThePlugin) {
  for (const char* line : {"per_listener_settings true",
                           "use_identity_as_username true",
                           "use_subject_as_username true",
                           "use_username_as_clientid true",
                           "allow_anonymous true",
                           "allow_anonymous 1",
                           "persistence true",
                           "password_file /p",
                           "acl_file /a",
                           "psk_file /p",
                           "psk_hint x",
                           "include_dir /d",
                           "connection bridge",
                           "mount_point x/",
                           "auth_plugin /x.so",
                           "plugin /other.so",
                           "protocol websockets",
                           "port 1883",
                           "max_queued_messages 0",
                           "\tallow_anonymous   true",
                           "listener 1883",
                           "listener 0 /run/mosquitto.sock"}) {
    const auto checked = check_broker_config(std::string(kGlobal) + kListener + line + "\n");
    ASSERT_FALSE(checked.ok()) << line;
    EXPECT_EQ(checked.error().reason, "broker_config.unsafe");
    EXPECT_NE(checked.error().detail.find("line 1"), std::string::npos) << checked.error().detail;  // 10 to 17
  }
}

TEST(BrokerGuard, RefusesWhenANeededSettingIsMissing) {
  for (const char* key : {"set_tcp_nodelay", "allow_zero_length_clientid", "check_retain_source", "max_packet_size",
                          "message_size_limit", "persistent_client_expiration"}) {
    const auto checked = check_broker_config(without(kGlobal, key) + kListener);
    ASSERT_FALSE(checked.ok()) << key;
    EXPECT_NE(checked.error().detail.find(key), std::string::npos) << checked.error().detail;
  }
  for (const char* key : {"cafile", "certfile", "keyfile", "require_certificate", "tls_version", "max_qos"}) {
    EXPECT_FALSE(check_broker_config(kGlobal + without(kListener, key)).ok()) << key;
  }
  EXPECT_FALSE(check_broker_config(kGlobal).ok());
  EXPECT_FALSE(check_broker_config(kGlobal + without(kListener, "tls_version") + "tls_version tlsv1.1\n").ok());
  EXPECT_FALSE(check_broker_config(kGlobal + without(kListener, "max_qos") + "max_qos 2\n").ok());
}

TEST(BrokerGuard, LooksAtHowTheBrokerWasStarted) {
  using Arguments = std::vector<std::string>;
  const auto ok = [](const Arguments& arguments) { return check_broker_command_line(arguments, "/etc/m.conf").ok(); };
  EXPECT_TRUE(ok({"mosquitto", "-c", "/etc/m.conf"}));
  EXPECT_TRUE(ok({"mosquitto", "--config-file", "/etc/../etc/m.conf", "-v"}));
  EXPECT_FALSE(ok({"mosquitto", "-c", "/etc/other.conf"}));
  EXPECT_FALSE(ok({"mosquitto"}));
  EXPECT_FALSE(ok({"mosquitto", "-c", "/etc/m.conf", "-p", "1883"}));
}

}  // namespace
}  // namespace muster::auth_plugin
