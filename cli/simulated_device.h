// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/api_session.h"
#include "cli/mqtt_client.h"
#include "core/result.h"

namespace muster::cli {

// SimulatedDevice is a device's identity as the device holds it: its own key and what the server issued for it.
struct SimulatedDevice {
  std::string tenant;
  std::string name;
  std::string key_pem;
  std::string certificate_pem;  // with the chain
  std::string certificate_id;   // empty when it was read from a file
  std::string principal() const { return tenant + "/" + name; }
};

// provision registers the device where it does not exist yet, makes its key and obtains its certificate over REST.
// Reasons: those of ApiSession::call, key.unusable.
Result<SimulatedDevice> provision(ApiSession& api, const std::string& tenant, const std::string& name);

// provision_once keeps key and certificate in `folder` and provisions only when they are not there: a factory gets only
// a device's first certificate. Reasons: those of provision, file.*.
Result<SimulatedDevice> provision_once(ApiSession& api, const std::string& folder, const std::string& tenant,
                                       const std::string& name);

// Where the broker is, as devices know it.
struct BrokerAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8883;
  std::string server_name = "localhost";
  std::string ca_file;
};
MqttConfig mqtt_config(const BrokerAddress& broker, const SimulatedDevice& device);

}  // namespace muster::cli
