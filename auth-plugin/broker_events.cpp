// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/broker_events.h"

#include <mqtt_protocol.h>
#include <openssl/x509.h>

#include <utility>

#include "auth-plugin/broker_properties.h"

namespace muster::auth_plugin {
namespace {

constexpr std::size_t kMaxHeaders = 32;

std::string_view view_of(const char* text) { return text ? std::string_view(text) : std::string_view(); }

// The broker's read functions copy and count: what they return goes back to its own allocator.
std::string take(char* text) {
  std::string copy(view_of(text));
  broker_properties().release(text);
  return copy;
}

}  // namespace

ClientView client_view(const mosquitto* client) {
  return {client, view_of(mosquitto_client_id(client)), view_of(mosquitto_client_username(client)),
          mosquitto_client_address(client) != nullptr, mosquitto_client_clean_session(client)};
}

ConnectFacts::ConnectFacts(const mosquitto* client)
    : leaf_(mosquitto_client_certificate(client), [](void* leaf) { X509_free(static_cast<X509*>(leaf)); }) {
  view_.client = client_view(client);
  view_.address = view_of(mosquitto_client_address(client));
  view_.has_certificate = leaf_ != nullptr;
  view_.proved = proved_peer(static_cast<X509*>(leaf_.get()));
  view_.protocol_version = mosquitto_client_protocol_version(client);
  view_.keepalive = std::chrono::seconds(mosquitto_client_keepalive(client));
}

MessageHeaders::MessageHeaders(const mosquitto_property* properties) {
  const BrokerProperties& reader = broker_properties();
  for (const auto* at = properties; at && owned_.size() < kMaxHeaders; at = reader.next(at)) {
    const int kind = reader.identifier(at);
    char* name = nullptr;
    char* value = nullptr;
    void* data = nullptr;
    std::uint16_t size = 0;
    if (kind == MQTT_PROP_CONTENT_TYPE && reader.read_string(at, kind, &value, false)) {
      add("content-type", take(value));
    } else if (kind == MQTT_PROP_RESPONSE_TOPIC && reader.read_string(at, kind, &value, false)) {
      add("response-topic", take(value));
    } else if (kind == MQTT_PROP_CORRELATION_DATA && reader.read_binary(at, kind, &data, &size, false)) {
      add("correlation-data", std::string(static_cast<const char*>(data), data ? size : 0));
      reader.release(data);
    } else if (kind == MQTT_PROP_USER_PROPERTY && reader.read_string_pair(at, kind, &name, &value, false)) {
      std::string key = take(name);
      add(key == "traceparent" ? key : "user:" + key, take(value));
    }
  }
  views_.reserve(owned_.size());
  for (const auto& [name, value] : owned_) views_.push_back({name, value});
}

void MessageHeaders::add(std::string name, std::string value) {
  owned_.emplace_back(std::move(name), std::move(value));
}

}  // namespace muster::auth_plugin
