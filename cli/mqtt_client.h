// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a small MQTT 3.1.1 client over mutual TLS for simulated devices and the tour: QoS 0 and 1, one message in
// flight. The broker's certificate and name are always verified.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::cli {

struct MqttConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8883;
  std::string server_name = "localhost";  // what the broker's certificate must name
  std::string ca_file;                    // PEM, the infrastructure root
  std::string certificate_pem;            // with the chain after it
  std::string key_pem;
  std::string client_id;  // the principal, "tenant/device"
  std::uint16_t keep_alive_seconds = 30;
  std::chrono::milliseconds timeout{10'000};  // for connecting and for each answer
};

struct MqttMessage {
  std::string topic;
  std::string payload;
  bool retained = false;
};

// MqttClient is one connection. Confined to one thread.
class MqttClient {
 public:
  // Reasons: mqtt.connect_failed (TCP or TLS), mqtt.refused (CONNACK; the code is in the detail), mqtt.connection_lost.
  static Result<MqttClient> connect(const MqttConfig& config);
  MqttClient(MqttClient&&) noexcept;
  MqttClient& operator=(MqttClient&&) noexcept;
  ~MqttClient();

  // Publishes at QoS 1 and waits for the PUBACK: the broker holds the message durably. Reason: mqtt.connection_lost.
  Result<void> publish(std::string_view topic, std::string_view payload);
  // Reasons: mqtt.refused (SUBACK 0x80), mqtt.connection_lost.
  Result<void> subscribe(std::string_view filter);
  // Waits for a message; nullopt after `limit`. Sends PINGREQ when it is due. Reason: mqtt.connection_lost.
  Result<std::optional<MqttMessage>> receive(std::chrono::milliseconds limit);
  // Sends DISCONNECT, so that no will is published.
  void disconnect();

 private:
  struct State;
  explicit MqttClient(std::unique_ptr<State> state);
  static Result<MqttClient> open(const MqttConfig& config);  // TCP and TLS only
  friend Result<void> check_broker_tls(const MqttConfig& config);
  std::unique_ptr<State> state_;
};

// check_broker_tls makes a TLS handshake without asking for anything: ok when the broker proves to be who it should be.
// Reason: mqtt.connect_failed.
Result<void> check_broker_tls(const MqttConfig& config);

}  // namespace muster::cli
