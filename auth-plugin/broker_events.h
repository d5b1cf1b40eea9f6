// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads the broker's event structures into the gatekeeper's views.
#pragma once

#include <mosquitto.h>
#include <mosquitto_broker.h>

#include <memory>
#include <string>
#include <vector>

#include "auth-plugin/gatekeeper.h"

namespace muster::auth_plugin {

ClientView client_view(const mosquitto* client);

// ConnectFacts owns what its view shows: the leaf certificate's reference.
class ConnectFacts {
 public:
  explicit ConnectFacts(const mosquitto* client);
  const ConnectView& view() const { return view_; }

 private:
  std::shared_ptr<void> leaf_;
  ConnectView view_;
};

// MessageHeaders copies the MQTT 5 properties that a record carries.
class MessageHeaders {
 public:
  explicit MessageHeaders(const mosquitto_property* properties);
  std::span<const RecordHeaderView> views() const { return views_; }

 private:
  void add(std::string name, std::string value);
  std::vector<std::pair<std::string, std::string>> owned_;
  std::vector<RecordHeaderView> views_;
};

}  // namespace muster::auth_plugin
