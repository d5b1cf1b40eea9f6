// SPDX-License-Identifier: Apache-2.0
#include "cli/broker_config.h"

namespace muster::cli {

std::string broker_config_text(const BrokerConfig& config) {
  std::string out =
      "# Written by `muster up` at every start. The plugin refuses to run when a guard in here is loosened.\n";
  if (config.runs_as_root) {
    out +=
        "# Started by root, mosquitto would change to the user \"mosquitto\", who may not enter the deployment's "
        "private\n"
        "# folders. A production broker host runs it under a user of its own instead (docs/).\n"
        "user root\n";
  }
  out +=
      "per_listener_settings false\n"
      "allow_anonymous false\n"
      "allow_zero_length_clientid false\n"
      "check_retain_source true\n"
      "persistence false\n"
      "set_tcp_nodelay true\n"
      "max_packet_size 1048576\n"
      "message_size_limit 262144\n"
      "max_queued_messages 1000\n"
      "max_inflight_messages 20\n"
      "persistent_client_expiration 7d\n"
      "sys_interval 10\n"
      "connection_messages true\n"
      "log_timestamp false\n"
      "log_dest stderr\n"  // its standard output is buffered in blocks: lines would come seconds late
      "log_type error\n"
      "log_type warning\n"
      "log_type notice\n"
      "log_type information\n"
      "\n";
  out += "plugin " + config.plugin_file + "\n";
  out += "plugin_opt_broker_config " + config.config_path + "\n";
  out += "plugin_opt_trust_domain " + config.trust_domain + "\n";
  if (!config.server_name_suffix.empty()) {
    out += "plugin_opt_server_name_suffix " + config.server_name_suffix + "\n";
  }
  out += "plugin_opt_snapshot_folder " + config.snapshot_folder + "\n";
  out += "plugin_opt_state_file " + config.state_file + "\n";
  out += "plugin_opt_heartbeat_key_file " + config.heartbeat_key_file + "\n";
  out += "plugin_opt_wal_folder " + config.wal_folder + "\n";
  out += "plugin_opt_metrics_file " + config.metrics_file + "\n";
  out += "\nlistener " + std::to_string(config.port) + " " + config.listen_address + "\n";
  out += "cafile " + config.ca_file + "\n";
  out += "certfile " + config.certificate_file + "\n";
  out += "keyfile " + config.key_file + "\n";
  out +=
      "require_certificate true\n"
      "tls_version tlsv1.2\n"
      "max_qos 1\n"
      "max_connections 10000\n";
  return out;
}

}  // namespace muster::cli
