// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cli/broker_config.h"
#include "cli/deployment_config.h"
#include "cli/private_postgres.h"

#include "auth-plugin/broker_guard.h"

namespace muster::cli {
namespace {

TEST(QuoteConnectionValue, EscapesWhatLibpqWouldEnd) {
  EXPECT_EQ(quote_connection_value("/a b/run"), "'/a b/run'");
  EXPECT_EQ(quote_connection_value("it's\\x"), "'it\\'s\\\\x'");
}

TEST(TomlString, EscapesQuotesAndBackslashes) { EXPECT_EQ(toml_string("a\"b\\c"), "\"a\\\"b\\\\c\""); }

TEST(BrokerConfig, PassesThePluginsOwnGuard) {
  BrokerConfig config;
  config.config_path = "/a b/mosquitto.conf";
  config.ca_file = "/a b/ca.pem";
  config.certificate_file = "/a b/broker.pem";
  config.key_file = "/a b/broker.key";
  config.plugin_file = "/a b/muster_auth.so";
  for (const bool root : {false, true}) {
    config.runs_as_root = root;
    const auto judged = auth_plugin::check_broker_config(broker_config_text(config));
    EXPECT_TRUE(judged.ok()) << (judged.ok() ? "" : judged.error().detail);
  }
}

}  // namespace
}  // namespace muster::cli
