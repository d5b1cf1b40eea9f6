// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace muster::edge {

// What `muster edge` is told. Empty means "must be set" unless said otherwise.
struct EdgeConfig {
  std::string server_url;  // "https://host:port" of the server's listener for edges
  std::string certificate_file;
  std::string key_file;
  std::string infrastructure_root_file;  // trust anchor for the server
  std::string snapshot_folder;           // written by us, read by the broker plugin
  mode_t snapshot_file_mode = 0644;
  std::string wal_folder;  // written by the plugin; we rename and delete its segments
  // Of further brokers on this host: each has a WAL folder of its own, all share the snapshot.
  struct Broker {
    std::string wal_folder;
    std::string plugin_metrics_file;  // empty: none
  };
  std::vector<Broker> more_brokers;
  std::string database_url;         // of the log: a libpq connection string with this edge's role
  std::string metrics_listen;       // "127.0.0.1:port" or "[::1]:port"; empty: none
  std::string plugin_metrics_file;  // Prometheus text that the plugin writes, shown with our own; empty: none
  std::uint64_t wal_keep_seconds = 3600;
  std::uint64_t wal_keep_bytes = 4ULL << 30;
  // Below this much free space stored segments are deleted at once; twice the plugin's wal_min_free_bytes.
  std::uint64_t wal_keep_free_bytes = 4ULL << 30;
  std::uint64_t poll_wait_ms = 25'000;  // at least this often comes a heartbeat
  std::uint64_t digest_period_seconds = 60;
};

// Names the offending key in the detail. Reason: config.edge_invalid.
Result<void> check(const EdgeConfig& config);

struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
// Only loopback: metrics of an edge carry no token. Reason: config.edge_invalid.
Result<ListenAddress> parse_loopback(const std::string& text);

}  // namespace muster::edge
