// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/edge_config.h"

#include <charconv>
#include <initializer_list>
#include <set>
#include <utility>

namespace muster::edge {
namespace {

Error invalid(std::string detail) {
  return Error{ErrorCode::kInvalidArgument, "config.edge_invalid", std::move(detail)};
}

}  // namespace

Result<ListenAddress> parse_loopback(const std::string& text) {
  for (const std::string_view host : {"127.0.0.1:", "[::1]:"}) {
    if (!text.starts_with(host)) continue;
    ListenAddress parsed{host[0] == '[' ? "::1" : "127.0.0.1", 0};
    const auto result = std::from_chars(text.data() + host.size(), text.data() + text.size(), parsed.port);
    if (result.ec == std::errc{} && result.ptr == text.data() + text.size()) return parsed;
  }
  return invalid("metrics_listen must be 127.0.0.1:port or [::1]:port");
}

Result<void> check(const EdgeConfig& config) {
  const std::initializer_list<std::pair<const char*, const std::string*>> needed = {
      {"server_url", &config.server_url},           {"tls.certificate_file", &config.certificate_file},
      {"tls.key_file", &config.key_file},           {"tls.infrastructure_root_file", &config.infrastructure_root_file},
      {"snapshot_folder", &config.snapshot_folder}, {"wal_folder", &config.wal_folder},
      {"log.database_url", &config.database_url}};
  for (const auto& [key, value] : needed) {
    if (value->empty()) return invalid(std::string{key} + " is not set");
  }
  if (!config.server_url.starts_with("https://")) return invalid("server_url must start with https://");
  if (config.poll_wait_ms > 30'000) return invalid("poll_wait_ms must be at most 30000");
  if (config.digest_period_seconds == 0 || config.digest_period_seconds > 60) {
    return invalid("digest_period_seconds must be 1 to 60");
  }
  if ((config.snapshot_file_mode & ~mode_t{0644}) != 0 || (config.snapshot_file_mode & 0400) == 0) {
    return invalid("snapshot_file_mode must be 0644, 0640 or 0600");
  }
  std::set<std::string> folders{config.wal_folder};
  for (const EdgeConfig::Broker& broker : config.more_brokers) {
    if (broker.wal_folder.empty()) return invalid("brokers: wal_folder is not set");
    if (!folders.insert(broker.wal_folder).second) {
      return invalid("brokers: " + broker.wal_folder + " is named twice; each broker needs a WAL folder of its own");
    }
  }
  if (!config.metrics_listen.empty()) MUSTER_TRY_VOID(parse_loopback(config.metrics_listen));
  return {};
}

}  // namespace muster::edge
