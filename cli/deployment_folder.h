// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the folder that `muster up` owns: where each file lies, the lock that keeps a second supervisor out, and the
// ports, which are chosen once because certificates and clients' configurations name them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::cli {

struct Ports {
  std::uint16_t rest = 0;
  std::uint16_t edges = 0;
  std::uint16_t console = 0;
  std::uint16_t plain = 0;  // CRL
  std::uint16_t mqtt = 0;
  std::uint16_t edge_metrics = 0;
  std::uint16_t worker_metrics = 0;
};

// FolderPaths says where things lie under an absolute root. It touches nothing.
class FolderPaths {
 public:
  explicit FolderPaths(std::string root) : root_(std::move(root)) {}
  const std::string& root() const { return root_; }
  std::string at(const std::string& name) const { return root_ + "/" + name; }
  std::string admin_token() const { return at("secrets/admin.token"); }
  std::string kek() const { return at("secrets/kek"); }
  std::string infrastructure_root() const { return at("pki/infrastructure-root.pem"); }
  std::string device_root() const { return at("pki/device-root.pem"); }
  std::string heartbeat_key() const { return at("pki/heartbeat.pub"); }
  std::string ports_file() const { return at("run/ports.json"); }
  std::string snapshot() const { return at("edge/snapshot"); }
  std::string plugin_metrics() const { return at("run/plugin.metrics"); }

 private:
  std::string root_;
};

// DeploymentFolder is a folder that this process holds the lock of.
class DeploymentFolder {
 public:
  // Makes the folder and its sub-folders, takes the lock, reads or chooses the ports.
  // Reasons: folder.unusable, folder.locked, port.taken.
  static Result<DeploymentFolder> open(const std::string& folder);

  const FolderPaths& paths() const { return paths_; }
  const Ports& ports() const { return ports_; }
  // Where PostgreSQL's data and socket lie; the socket's path must stay below 108 bytes.
  const std::string& database_folder() const { return database_folder_; }
  const std::string& socket_folder() const { return socket_folder_; }
  // Removes a socket folder outside the deployment, once PostgreSQL has ended.
  void forget_socket_folder() const;
  // The user PostgreSQL runs as: ours, or `postgres` when we are root.
  uid_t database_user() const { return database_user_; }
  gid_t database_group() const { return database_group_; }

 private:
  explicit DeploymentFolder(std::string root) : paths_(std::move(root)) {}
  Result<void> take_lock();
  Result<void> choose_database_user();
  Result<void> place_database();
  Result<void> place_socket();
  FolderPaths paths_;
  UniqueFd lock_;
  Ports ports_;
  std::string database_folder_;
  std::string socket_folder_;
  uid_t database_user_ = 0;
  gid_t database_group_ = 0;
};

// read_ports reads run/ports.json of a deployment, for the operator's tools. Reason: folder.unusable.
Result<Ports> read_ports(const FolderPaths& paths);

// find_free_port finds a port on 127.0.0.1 below the range that the kernel takes outgoing ports from, so that no
// connection of this machine sits on it at the next start. Reason: port.taken.
Result<std::uint16_t> find_free_port();

}  // namespace muster::cli
