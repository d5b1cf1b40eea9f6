// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_properties.h"

#include <dlfcn.h>
#include <mosquitto_broker.h>

#include <cstdlib>

#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

BrokerProperties found;

template <typename Function>
bool take(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool take_all(void* library, BrokerProperties& into) {
  return take(library, "mosquitto_property_next", into.next) &&
         take(library, "mosquitto_property_identifier", into.identifier) &&
         take(library, "mosquitto_property_read_string", into.read_string) &&
         take(library, "mosquitto_property_read_binary", into.read_binary) &&
         take(library, "mosquitto_property_read_string_pair", into.read_string_pair);
}

}  // namespace

Result<void> find_broker_properties() {
  BrokerProperties properties;
  properties.release = mosquitto_free;
  if (!take_all(RTLD_DEFAULT, properties)) {
    // Never closed. What the library allocates is not in the broker's books.
    void* library = dlopen("libmosquitto.so.1", RTLD_NOW | RTLD_LOCAL);
    properties.release = std::free;
    if (library == nullptr || !take_all(library, properties)) {
      return Error{ErrorCode::kFailedPrecondition, reasons::kBrokerUnsupported,
                   "this mosquitto does not let plugins read MQTT 5 properties; install libmosquitto1 beside it"};
    }
  }
  found = properties;
  return {};
}

const BrokerProperties& broker_properties() { return found; }

}  // namespace muster::auth_plugin
