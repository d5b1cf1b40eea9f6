// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the broker's functions that read MQTT 5 properties. Debian's mosquitto and mosquitto 2.1 show them to
// plugins; mosquitto 2.0 as its makers build it does not, though it has them. libmosquitto has the same ones for the
// same structure.
#pragma once

#include <mosquitto.h>

#include "core/result.h"

namespace muster::auth_plugin {

struct BrokerProperties {
  decltype(&mosquitto_property_next) next = nullptr;
  decltype(&mosquitto_property_identifier) identifier = nullptr;
  decltype(&mosquitto_property_read_string) read_string = nullptr;
  decltype(&mosquitto_property_read_binary) read_binary = nullptr;
  decltype(&mosquitto_property_read_string_pair) read_string_pair = nullptr;
  void (*release)(void*) = nullptr;  // what they returned
};

// Once, before the first event. Reason: broker.unsupported (neither the broker nor libmosquitto.so.1 has them).
Result<void> find_broker_properties();
const BrokerProperties& broker_properties();

}  // namespace muster::auth_plugin
