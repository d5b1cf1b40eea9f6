// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "edge/identity_change.h"
#include "support/filled_hash.h"

namespace muster::edge {

// A folder of one test, removed after it.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-edge-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string{name}; }
  std::string make_folder(std::string_view name) const {
    const std::string folder = file(name);
    mkdir(folder.c_str(), 0755);
    return folder;
  }

 private:
  std::string path_;
};

inline Bytes content_of(const std::string& path) { return read_file(path, 1U << 30).value(); }

// A small fleet: two tenants, an issuer each, one policy, devices "d0", "d1", … of the first with a certificate each.
struct Fleet {
  TenantState acme{TenantId::random(), "acme", EntityStatus::kActive};
  TenantState beta{TenantId::random(), "beta", EntityStatus::kActive};
  IssuerState acme_issuer{IssuerId::random(), acme.id, EntityStatus::kActive, key(1), Bytes{0x30, 1, 2}};
  IssuerState beta_issuer{IssuerId::random(), beta.id, EntityStatus::kActive, key(2), Bytes{0x30, 3}};
  PolicyState policy{PolicyId::random(),
                     acme.id,
                     EntityStatus::kActive,
                     {{PolicyAction::kPublish, "${tenant}/${device}/telemetry/#"}}};
  std::vector<DeviceState> devices;
  std::vector<CertificateState> certificates;

  explicit Fleet(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) add_device();
  }

  static Sha256 key(std::uint8_t fill) { return test_support::filled_hash(fill); }
  static Sha256 random_hash() {
    Sha256 hash;
    for (std::size_t half = 0; half < 2; ++half) {
      const RawId id = random_raw_id();
      std::copy(id.octets.begin(), id.octets.end(), hash.begin() + static_cast<std::ptrdiff_t>(16 * half));
    }
    return hash;
  }
  void add_device() {
    DeviceState device{
        DeviceId::random(), acme.id,    "d" + std::to_string(devices.size()),        EntityStatus::kActive,
        policy.id,          {"line-1"}, {{"serial", std::to_string(devices.size())}}};
    certificates.push_back({random_hash(), acme.id, device.id, acme_issuer.id, EntityStatus::kActive,
                            UtcTime{std::chrono::seconds{1'900'000'000}}});
    devices.push_back(std::move(device));
  }
  std::vector<IdentityChange> entities() const {
    std::vector<IdentityChange> all{acme, beta, acme_issuer, beta_issuer, policy};
    all.insert(all.end(), devices.begin(), devices.end());
    all.insert(all.end(), certificates.begin(), certificates.end());
    return all;
  }
};

}  // namespace muster::edge
