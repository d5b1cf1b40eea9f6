// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/mqtt_answer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <span>

namespace muster::auth_plugin {
namespace {

bool send(ssl_st* connection, std::span<const std::uint8_t> packet) {
  if (!connection || SSL_is_init_finished(connection) != 1 || SSL_want_write(connection)) return false;
  const int written = SSL_write(connection, packet.data(), static_cast<int>(packet.size()));
  if (written != static_cast<int>(packet.size())) ERR_clear_error();
  return written == static_cast<int>(packet.size());
}

}  // namespace

bool send_disconnect(ssl_st* connection, MqttReason reason) {
  const std::array<std::uint8_t, 3> packet = {0xE0, 1, static_cast<std::uint8_t>(reason)};  // [MQTT5 3.14]
  return send(connection, packet);
}

bool send_connack(ssl_st* connection, int protocol_version, MqttReason reason) {
  if (protocol_version == kMqtt5) {
    const std::array<std::uint8_t, 5> packet = {0x20, 3, 0, static_cast<std::uint8_t>(reason), 0};  // [MQTT5 3.2]
    return send(connection, packet);
  }
  constexpr std::uint8_t kServerUnavailable = 3;  // [MQTT3.1.1 3.2.2.3]
  return send(connection, std::array<std::uint8_t, 4>{0x20, 2, 0, kServerUnavailable});
}

}  // namespace muster::auth_plugin
