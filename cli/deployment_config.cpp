// SPDX-License-Identifier: Apache-2.0
#include "cli/deployment_config.h"

#include <unistd.h>

#include "cli/broker_config.h"
#include "cli/installed_files.h"
#include "core/encoding.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr const char* kHeader = "# Written by `muster up` at every start.\n";

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

class TomlText {
 public:
  TomlText() : text_(kHeader) {}
  TomlText& table(const std::string& name) {
    text_ += "\n[" + name + "]\n";
    return *this;
  }
  TomlText& set(const std::string& key, const std::string& value) {
    text_ += key + " = " + toml_string(value) + "\n";
    return *this;
  }
  Result<void> write(const std::string& path) const {
    return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text_.data()), text_.size()}, 0600);
  }

 private:
  std::string text_;
};

Result<void> write_server_config(const FolderPaths& paths, const Ports& ports, const DatabaseUrls& urls) {
  TomlText out;
  out.set("trust_domain", kLocalTrustDomain)
      .set("public_url", "https://" + local(ports.rest))
      .set("plain_url", "http://" + local(ports.plain));
  out.table("listen").set("rest", local(ports.rest)).set("edges", local(ports.edges)).set("plain", local(ports.plain));
  out.table("database").set("url", urls.server);
  out.table("keys").set("kek_file", paths.kek());
  out.table("tls")
      .set("certificate_file", paths.at("pki/server.pem"))
      .set("key_file", paths.at("pki/server.key"))
      .set("infrastructure_root_file", paths.infrastructure_root());
  return out.write(paths.at("config/server.toml"));
}

Result<void> write_edge_config(const FolderPaths& paths, const Ports& ports, const DatabaseUrls& urls) {
  TomlText out;
  out.set("server_url", "https://" + local(ports.edges))
      .set("snapshot_folder", paths.snapshot())
      .set("wal_folder", paths.at("wal"))
      .set("metrics_listen", local(ports.edge_metrics))
      .set("plugin_metrics_file", paths.plugin_metrics());
  out.table("tls")
      .set("certificate_file", paths.at("pki/edge.pem"))
      .set("key_file", paths.at("pki/edge.key"))
      .set("infrastructure_root_file", paths.infrastructure_root());
  out.table("log").set("database_url", urls.edge);
  return out.write(paths.at("config/edge.toml"));
}

Result<void> write_worker_config(const FolderPaths& paths, const Ports& ports, const DatabaseUrls& urls) {
  TomlText out;
  out.set("group", "muster-worker").set("metrics_listen", local(ports.worker_metrics));
  out.table("log").set("database_url", urls.worker);
  return out.write(paths.at("config/worker.toml"));
}

Result<void> write_broker_config(const FolderPaths& paths, const Ports& ports) {
  BrokerConfig broker;
  broker.config_path = paths.at("config/mosquitto.conf");
  broker.port = ports.mqtt;
  broker.ca_file = paths.device_root();
  broker.certificate_file = paths.at("pki/broker.pem");
  broker.key_file = paths.at("pki/broker.key");
  MUSTER_TRY(broker.plugin_file, find_broker_plugin());
  broker.trust_domain = kLocalTrustDomain;
  broker.server_name_suffix = kLocalTrustDomain;
  broker.snapshot_folder = paths.snapshot();
  broker.state_file = paths.at("edge/plugin-state/state");
  broker.heartbeat_key_file = paths.heartbeat_key();
  broker.wal_folder = paths.at("wal");
  broker.metrics_file = paths.plugin_metrics();
  broker.runs_as_root = getuid() == 0;
  const std::string text = broker_config_text(broker);
  return write_file_durably(broker.config_path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                            0600);
}

}  // namespace

std::string toml_string(const std::string& text) {
  // JSON's escapes are all known to TOML's basic strings, except "\/", which append_json_string does not write.
  std::string out;
  append_json_string(out, text);
  return out;
}

Result<void> write_configs(const DeploymentFolder& folder, const DatabaseUrls& urls) {
  MUSTER_TRY_VOID(write_server_config(folder.paths(), folder.ports(), urls));
  MUSTER_TRY_VOID(write_edge_config(folder.paths(), folder.ports(), urls));
  MUSTER_TRY_VOID(write_worker_config(folder.paths(), folder.ports(), urls));
  return write_broker_config(folder.paths(), folder.ports());
}

}  // namespace muster::cli
