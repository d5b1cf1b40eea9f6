// SPDX-License-Identifier: Apache-2.0
#include "cli/simulated_device.h"

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/device_key.h"
#include "cli/reasons.h"
#include "core/file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMaxPem = 64 * 1024;

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode);
}

}  // namespace

Result<SimulatedDevice> provision(ApiSession& api, const std::string& tenant, const std::string& name) {
  if (!api.get(device_path(tenant, name)).ok()) {
    MUSTER_TRY(const nlohmann::json created, api.call("POST", tenant_path(tenant) + "/devices", {{"name", name}}));
    (void)created;
  }
  MUSTER_TRY(const KeyAndRequest made, make_key_and_request(name));
  MUSTER_TRY(const nlohmann::json issued,
             api.call("POST", device_path(tenant, name) + "/certificates", {{"csr", made.request_pem}}));
  SimulatedDevice device;
  device.tenant = tenant;
  device.name = name;
  device.key_pem = made.key_pem;
  device.certificate_pem = issued.value("certificate", "") + issued.value("chain", "");
  device.certificate_id = issued.value("id", "");
  return device;
}

Result<SimulatedDevice> provision_once(ApiSession& api, const std::string& folder, const std::string& tenant,
                                       const std::string& name) {
  const std::string base = folder + "/" + tenant + "." + name;
  if (access((base + ".pem").c_str(), F_OK) == 0) {
    MUSTER_TRY(const SecretBytes key, read_secret_file(base + ".key", kMaxPem));
    MUSTER_TRY(const Bytes certificate, read_file(base + ".pem", kMaxPem));
    return SimulatedDevice{tenant, name, std::string(key.view().begin(), key.view().end()),
                           std::string(certificate.begin(), certificate.end()), ""};
  }
  MUSTER_TRY(SimulatedDevice device, provision(api, tenant, name));
  if (mkdir(folder.c_str(), 0700) != 0 && access(folder.c_str(), W_OK) != 0) {
    return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, folder + " cannot be made or written"};
  }
  MUSTER_TRY_VOID(write_text(base + ".key", device.key_pem, 0600));
  MUSTER_TRY_VOID(write_text(base + ".pem", device.certificate_pem, 0644));
  return device;
}

MqttConfig mqtt_config(const BrokerAddress& broker, const SimulatedDevice& device) {
  MqttConfig config;
  config.host = broker.host;
  config.port = broker.port;
  config.server_name = broker.server_name;
  config.ca_file = broker.ca_file;
  config.certificate_pem = device.certificate_pem;
  config.key_pem = device.key_pem;
  config.client_id = device.principal();
  return config;
}

}  // namespace muster::cli
