// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace muster::cli {

struct BrokerConfig {
  std::string config_path;  // where the text will lie: the plugin reads it again
  std::string listen_address = "127.0.0.1";
  std::uint16_t port = 8883;
  std::string ca_file;           // root of the device hierarchy: a second belt, the plugin verifies by itself
  std::string certificate_file;  // broker's, of the infrastructure hierarchy, with chain
  std::string key_file;
  std::string plugin_file;
  std::string trust_domain;
  std::string server_name_suffix;  // "{tenant}.{suffix}" as TLS server name picks the tenant; empty: never
  std::string snapshot_folder;
  std::string state_file;
  std::string wal_folder;
  std::string heartbeat_key_file;
  std::string metrics_file;
  bool runs_as_root = false;
};

// broker_config_text writes a mosquitto.conf with every guard that the plugin insists on (auth-plugin/broker_guard.h).
std::string broker_config_text(const BrokerConfig& config);

}  // namespace muster::cli
