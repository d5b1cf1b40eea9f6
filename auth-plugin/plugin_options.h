// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "auth-plugin/handshake_gate.h"
#include "core/identity.h"
#include "core/limits.h"
#include "core/result.h"
#include "edge/identity_view.h"
#include "edge/wal_writer.h"

namespace muster::auth_plugin {

// PluginOptions are the `plugin_opt_…` lines of mosquitto.conf.
struct PluginOptions {
  std::string broker_config;       // path of mosquitto.conf itself
  TrustDomain trust_domain;        // of the URI in device certificates
  std::string server_name_suffix;  // "{tenant}.{suffix}" as TLS server name picks the tenant; empty: never
  edge::SnapshotFolderConfig snapshot;
  edge::WalConfig wal;
  std::string heartbeat_key_file;  // heartbeat_key.h
  HandshakeLimits handshakes;
  TenantLimits limits;       // the platform's: `tenant_…` and `device_…` with the names of core/limits.h
  std::string metrics_file;  // Prometheus text, rewritten every second; empty: none

  // Unknown, missing and malformed options are refused by name. Reason: config.plugin_option_invalid.
  static Result<PluginOptions> parse(std::span<const std::pair<std::string_view, std::string_view>> options);
};

}  // namespace muster::auth_plugin
