// SPDX-License-Identifier: Apache-2.0
//
// Purpose: tells a client why it is turned away where mosquitto's plugin interface cannot: an MQTT packet of ours,
// written into the connection's TLS stream between two packets of the broker's.
#pragma once

#include <cstdint>

struct ssl_st;

namespace muster::auth_plugin {

// Reason Codes of MQTT 5 §2.4.
enum class MqttReason : std::uint8_t {
  kReceiveMaximumExceeded = 0x93,
  kPacketTooLarge = 0x95,
  kQuotaExceeded = 0x97,
  kConnectionRateExceeded = 0x9F,
};

// The broker's name for a protocol version, as mosquitto_client_protocol_version gives it.
inline constexpr int kMqtt5 = 5;

// send_disconnect and send_connack return whether the packet went into the stream. They do not where the broker has
// begun a packet that the socket did not take yet: ours would stand in the middle of it. The caller then ends the
// connection without a word. MQTT 3.1.1 has no DISCONNECT from the server [MQTT-3.14], and gets CONNACK 3.
bool send_disconnect(ssl_st* connection, MqttReason reason);
bool send_connack(ssl_st* connection, int protocol_version, MqttReason reason);

}  // namespace muster::auth_plugin
