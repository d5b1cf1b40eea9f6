// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/plugin_options.h"

#include <gtest/gtest.h>

#include <vector>

namespace muster::auth_plugin {
namespace {

using Options = std::vector<std::pair<std::string_view, std::string_view>>;

Options with(std::initializer_list<std::pair<std::string_view, std::string_view>> more) {
  Options options = {
      {"broker_config", "/etc/mosquitto/mosquitto.conf"},  {"snapshot_folder", "/var/lib/muster/edge/snapshot"},
      {"state_file", "/var/lib/mosquitto/muster/state"},   {"wal_folder", "/var/lib/muster/wal"},
      {"heartbeat_key_file", "/etc/muster/heartbeat.pub"}, {"trust_domain", "devices.example"}};
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

TEST(PluginOptions, TrustRootAndTheBrokersOwnUserUnlessTold) {
  const auto plain = PluginOptions::parse(with({}));
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->snapshot.edge_uid, 0u);
  const auto told = PluginOptions::parse(with({{"edge_uid", "998"}}));
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->snapshot.edge_uid, 998u);
}

TEST(PluginOptions, RefuseWhatTheyDoNotUnderstand) {
  for (const char* user : {"muster", "-1", "0", "4294967295", "4294967296", "12 13"}) {
    EXPECT_FALSE(PluginOptions::parse(with({{"edge_uid", user}})).ok()) << user;
  }
  EXPECT_FALSE(PluginOptions::parse(with({{"edge_user", "998"}})).ok());
  Options without_key = with({});
  std::erase_if(without_key, [](const auto& option) { return option.first == "heartbeat_key_file"; });
  EXPECT_FALSE(PluginOptions::parse(without_key).ok()) << "whose heartbeats count is not left open";
  EXPECT_FALSE(PluginOptions::parse(with({{"wal_max_bytes", "1e9"}})).ok());
}

}  // namespace
}  // namespace muster::auth_plugin
