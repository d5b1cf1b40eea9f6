// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a real mosquitto with our plugin, two tenants of two devices each, and the snapshot folder that a `muster
// edge` would write.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "core/clock.h"
#include "edge/snapshot_folder_writer.h"
#include "edge/wal_reader.h"
#include "integration/auth_plugin/mqtt_client.h"
#include "support/free_port.h"
#include "support/heartbeat_signer.h"
#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::test_support {

inline constexpr const char* kTrustDomain = "devices.test";

struct Tenant {
  edge::TenantState state;
  edge::IssuerState issuer;
  Credential ca;
};

struct Device {
  edge::DeviceState state;
  edge::CertificateState listed;
  Credential credential;
  std::string principal;
};

inline std::string uri_of(const std::string& tenant, const std::string& device) {
  return "spiffe://" + tenant + "." + kTrustDomain + "/device/" + device;
}

class BrokerLab : public testing::Test {
 protected:
  BrokerLab() : acme_(make_tenant("acme")), beta_(make_tenant("beta")) {
    signal(SIGPIPE, SIG_IGN);  // clients write into connections that the broker has cut
    for (const char* name : {"snapshot", "state", "wal"}) {
      std::filesystem::create_directories(folder_ / name);
      ::chmod((folder_ / name).c_str(), 0755);
    }
    heartbeat_signer_.write_key_file(path("heartbeat.pub"));
    a1_ = make_device(acme_, "d1");
    a2_ = make_device(acme_, "d2");
    b1_ = make_device(beta_, "d1");
    b2_ = make_device(beta_, "d2");
  }

  ~BrokerLab() override {
    stop_broker();
    if (!HasFailure()) return;
    std::ifstream log(folder_ / "broker.log");
    std::string line;
    for (int lines = 0; lines < 200 && std::getline(log, line); ++lines)
      std::fprintf(stderr, "broker: %s\n", line.c_str());
  }

  static Tenant make_tenant(const std::string& name) {
    Tenant tenant;
    tenant.ca = make_certificate({.common_name = name + " issuing CA", .extended_key_usage = "", .ca = true});
    tenant.state = {TenantId::random(), name, edge::EntityStatus::kActive};
    tenant.issuer = {IssuerId::random(), tenant.state.id, edge::EntityStatus::kActive, tenant.ca.key_id(),
                     tenant.ca.der()};
    return tenant;
  }

  static edge::CertificateState list(const Tenant& tenant, const DeviceId& device, const Credential& credential) {
    return {credential.id(),
            tenant.state.id,
            device,
            tenant.issuer.id,
            edge::EntityStatus::kActive,
            std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + std::chrono::hours(24)};
  }

  static Device make_device(const Tenant& tenant, const std::string& name, long not_after_offset = 86400) {
    Device device;
    device.state.id = DeviceId::random();
    device.state.tenant_id = tenant.state.id;
    device.state.name = name;
    device.principal = tenant.state.name + "/" + name;
    device.credential = make_certificate(
        {.common_name = name, .uri = uri_of(tenant.state.name, name), .not_after_offset = not_after_offset},
        &tenant.ca);
    device.listed = list(tenant, device.state.id, device.credential);
    return device;
  }

  std::vector<edge::IdentityChange> everything() const {
    return {acme_.state, acme_.issuer, beta_.state, beta_.issuer, a1_.state, a1_.listed,
            a2_.state,   a2_.listed,   b1_.state,   b1_.listed,   b2_.state, b2_.listed};
  }

  void write_snapshot(const std::vector<edge::IdentityChange>& entities) {
    open_writer();
    position_ = {position_.epoch == RawId{} ? random_raw_id() : position_.epoch, position_.number + 1};
    ASSERT_TRUE(writer_->write_base(position_, entities).ok());
    heartbeat();
  }

  void change(const std::vector<edge::IdentityChange>& changes) {
    const edge::StreamPosition from = position_;
    position_.number += 1;
    const auto written = writer_->write_delta(from, position_, changes);
    ASSERT_TRUE(written.ok()) << written.error().reason;
    heartbeat();
  }

  void heartbeat() {
    const UtcTime now = SystemClock().now();
    ASSERT_TRUE(writer_->write_heartbeat(position_, now, heartbeat_signer_.sign(position_, now)).ok());
  }

  void start_broker(const std::string& extra_options = "", const std::vector<std::string>& environment = {}) {
    port_ = free_port();
    const Credential server = make_certificate({.common_name = "127.0.0.1", .extended_key_usage = "serverAuth"});
    server.write(path("server.pem"), path("server.key"));
    std::ofstream config(path("mosquitto.conf"));
    config << (geteuid() == 0 ? "user root\n" : "") << "per_listener_settings false\nallow_anonymous false\n"
           << "set_tcp_nodelay true\nallow_zero_length_clientid false\ncheck_retain_source true\n"
           << "max_packet_size 262144\nmessage_size_limit 131072\npersistent_client_expiration 7d\n"
           << "max_queued_messages 100\nlog_dest stderr\nlog_type all\n"
           << "plugin " << MUSTER_BINARY_DIR << "/muster_auth.so\n"
           << "plugin_opt_broker_config " << path("mosquitto.conf") << "\nplugin_opt_snapshot_folder "
           << path("snapshot") << "\nplugin_opt_state_file " << path("state/plugin.state") << "\nplugin_opt_wal_folder "
           << path("wal") << "\nplugin_opt_trust_domain " << kTrustDomain << "\nplugin_opt_metrics_file "
           << path("metrics.prom") << "\nplugin_opt_heartbeat_key_file " << path("heartbeat.pub")
           << "\nplugin_opt_wal_segment_bytes 8388608\nplugin_opt_wal_min_free_bytes 1048576\n"
           << extra_options << "listener " << port_ << " 127.0.0.1\nmax_qos 1\ntls_version tlsv1.2\n"
           << "cafile " << path("server.pem") << "\ncertfile " << path("server.pem") << "\nkeyfile "
           << path("server.key") << "\nrequire_certificate true\n";
    config.close();
    broker_ = ChildProcess::spawn({.command = {broker_program(), "-c", path("mosquitto.conf")},
                                   .environment = environment,
                                   .output_file = path("broker.log"),
                                   .run_as = "",
                                   .death_signal = SIGKILL});
    ASSERT_TRUE(eventually([&] { return accepts(); })) << "mosquitto does not listen";
  }

  // Another mosquitto than the installed one: docs/dependencies.md.
  static std::string broker_program() {
    const char* chosen = std::getenv("MUSTER_MOSQUITTO");
    return chosen && *chosen ? chosen : "mosquitto";
  }

  void stop_broker() {
    if (broker_.running()) broker_.stop();
  }

  template <typename Condition>
  static bool eventually(Condition condition, std::chrono::milliseconds patience = std::chrono::seconds(15)) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      usleep(2000);
    }
    return true;
  }

  MqttOptions options(const Device& device) const {
    MqttOptions options;
    options.port = port_;
    options.client_id = device.principal;
    return options;
  }
  std::unique_ptr<MqttClient> connect(const Device& device) const { return connect(device, options(device)); }
  std::unique_ptr<MqttClient> connect(const Device& device, MqttOptions with) const {
    return std::make_unique<MqttClient>(&device.credential, std::move(with));
  }
  int connack_of(const Credential* credential, const MqttOptions& with) const {
    return MqttClient(credential, with).connack();
  }

  // A sample of the metrics file, which is rewritten once a second; -1: not there.
  double metric(const std::string& sample) const {
    std::ifstream file(path("metrics.prom"));
    std::string line;
    while (std::getline(file, line)) {
      if (line.starts_with(sample + " ")) return std::stod(line.substr(sample.size() + 1));
    }
    return -1;
  }

  struct Recorded {
    RecordKind kind;
    std::string principal, topic, payload, reason;
    DeviceId device_id;
    Sha256 certificate_id;
  };
  std::vector<Recorded> wal_records() const {
    std::vector<Recorded> all;
    for (const auto& incarnation : edge::list_incarnations(path("wal"))) {
      edge::WalReader reader(path("wal"), incarnation.id, 1);
      for (auto batch = reader.read(10000, 64 << 20); batch.ok() && !batch->records.empty();
           batch = reader.read(10000, 64 << 20)) {
        for (const auto& entry : batch->records) {
          const auto record = decode_record(entry.record);
          if (!record.ok()) continue;
          std::string reason;
          for (const auto& header : record->headers) {
            if (header.name == "reason") reason = header.value;
          }
          all.push_back({record->kind, std::string(record->tenant) + "/" + std::string(record->device),
                         std::string(record->topic), std::string(as_text(record->payload)), reason, record->device_id,
                         record->certificate_id});
        }
      }
    }
    return all;
  }
  bool recorded(RecordKind kind, const std::string& principal, const std::string& reason = "") const {
    const auto all = wal_records();
    return std::ranges::any_of(all, [&](const Recorded& r) {
      return r.kind == kind && r.principal == principal && (reason.empty() || r.reason == reason);
    });
  }

  bool log_says(const std::string& text) const {
    std::ifstream log(path("broker.log"));
    return std::string{std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()}.find(text) !=
           std::string::npos;
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  TempFolder folder_;
  HeartbeatSigner heartbeat_signer_;
  std::uint16_t port_ = 0;
  ChildProcess broker_;
  Tenant acme_, beta_;
  Device a1_, a2_, b1_, b2_;
  edge::StreamPosition position_;
  std::unique_ptr<edge::SnapshotFolderWriter> writer_;

 private:
  void open_writer() {
    if (writer_) return;
    auto opened = edge::SnapshotFolderWriter::open({.folder = path("snapshot")});
    ASSERT_TRUE(opened.ok()) << opened.error().reason;
    writer_ = std::make_unique<edge::SnapshotFolderWriter>(std::move(opened).value());
  }

  bool accepts() const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return ok;
  }
};

}  // namespace muster::test_support
