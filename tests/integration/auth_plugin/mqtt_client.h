// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a small MQTT 3.1.1 and 5 client over TLS that shows exactly what the broker answers: return codes, the end
// of the stream, and nothing hidden by a library's reconnects.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "integration/auth_plugin/device_pki.h"

namespace muster::test_support {

struct MqttOptions {
  std::uint16_t port = 0;
  std::string client_id;
  std::string username;  // empty: none
  int version = 4;       // 4: MQTT 3.1.1, 5: MQTT 5
  bool clean = true;
  std::uint32_t session_expiry = 0;  // MQTT 5, seconds
  std::uint16_t keepalive = 60;
  std::string will_topic;
  bool will_retain = false;
  std::string server_name;
  SSL_SESSION* resume = nullptr;
  std::vector<Credential> chain;  // sent after the leaf
  int receive_buffer = 0;
};

struct MqttMessage {
  std::string topic;
  std::string payload;
  bool retain = false;
};

class MqttClient {
 public:
  static constexpr std::chrono::milliseconds kPatience{10000};

  static std::string id(std::uint16_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
  }
  static std::string text(const std::string& value) { return id(static_cast<std::uint16_t>(value.size())) + value; }

  // `credential` may be null: no certificate is sent.
  MqttClient(const Credential* credential, MqttOptions options) : options_(std::move(options)) { open(credential); }
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;
  ~MqttClient() { close(); }

  // CONNACK's code; -1: the connection ended without one.
  int connack() const { return connack_; }
  bool session_present() const { return session_present_; }
  bool resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  SSL_SESSION* tls_session() const { return SSL_get1_session(ssl_.get()); }
  int disconnect_code() const { return disconnect_code_; }

  // SUBACK's code; -1: the connection ended.
  int subscribe(const std::string& filter, int qos = 1) { return subscribe_with({}, filter, qos); }
  // `properties` of MQTT 5 as they stand on the wire, less than 128 octets.
  int subscribe_with(const std::string& properties, const std::string& filter, int qos = 1) {
    send(0x82, id(++packet_id_) + sized(properties) + text(filter) + static_cast<char>(qos));
    const auto packet = wait_for(9);
    return packet ? static_cast<unsigned char>(packet->body.back()) : -1;
  }

  // PUBACK's code (0 in MQTT 3.1.1, and for "no matching subscribers", a success); -1: the connection ended. QoS 0: 0.
  int publish(const std::string& topic, const std::string& payload, int qos = 1, bool retain = false) {
    send_publish(topic, payload, qos, retain);
    return qos == 0 ? 0 : wait_puback();
  }
  void send_publish(const std::string& topic, const std::string& payload, int qos, bool retain = false) {
    send_publish_with({}, topic, payload, qos, retain);
  }
  int publish_with(const std::string& properties, const std::string& topic, const std::string& payload) {
    send_publish_with(properties, topic, payload, 1);
    return wait_puback();
  }
  void send_publish_with(const std::string& properties, const std::string& topic, const std::string& payload, int qos,
                         bool retain = false) {
    std::string body = text(topic);
    if (qos > 0) body += id(++packet_id_);
    send(static_cast<unsigned char>(0x30 | qos << 1 | (retain ? 1 : 0)), body + sized(properties) + payload);
  }
  int wait_puback(std::chrono::milliseconds patience = kPatience) {
    const auto packet = wait_for(4, patience);
    if (!packet) return -1;
    const int code = packet->body.size() > 2 ? static_cast<unsigned char>(packet->body[2]) : 0;
    return code == 0x10 ? 0 : code;
  }

  std::optional<MqttMessage> receive(std::chrono::milliseconds patience = kPatience) {
    if (inbox_.empty()) pump(patience, [&] { return !inbox_.empty(); });
    if (inbox_.empty()) return std::nullopt;
    MqttMessage message = inbox_.front();
    inbox_.erase(inbox_.begin());
    return message;
  }
  // A round trip: whatever the broker sent before has arrived.
  bool ping() {
    send(0xc0, "");
    return wait_for(13).has_value();
  }
  bool ended(std::chrono::milliseconds patience = kPatience) {
    pump(patience, [] { return false; });
    return ended_;
  }
  void disconnect() {
    send(0xe0, "");
    close();
  }
  // The end of the stream without DISCONNECT: the broker sends the will.
  void close() {
    ssl_.reset();
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    ended_ = true;
  }

 private:
  struct Packet {
    unsigned char head;
    std::string body;
  };

  // Nothing in MQTT 3.1.1.
  std::string sized(const std::string& properties) const {
    return options_.version == 5 ? static_cast<char>(properties.size()) + properties : std::string();
  }

  void open(const Credential* credential) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (options_.receive_buffer) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &options_.receive_buffer, sizeof options_.receive_buffer);
    }
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval patience{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    context_.reset(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_set_mode(context_.get(), SSL_MODE_AUTO_RETRY);
    if (credential) {
      SSL_CTX_use_certificate(context_.get(), credential->certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), credential->key.get());
      for (const Credential& other : options_.chain) SSL_CTX_add1_chain_cert(context_.get(), other.certificate.get());
    }
    ssl_.reset(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(ssl_.get(), fd_);
    if (!options_.server_name.empty()) SSL_set_tlsext_host_name(ssl_.get(), options_.server_name.c_str());
    if (options_.resume) SSL_set_session(ssl_.get(), options_.resume);
    if (SSL_connect(ssl_.get()) != 1) return;
    send(0x10, connect_body());
    const auto packet = wait_for(2);
    if (!packet || packet->body.size() < 2) return;
    session_present_ = packet->body[0] != 0;
    connack_ = static_cast<unsigned char>(packet->body[1]);
  }

  std::string connect_body() const {
    std::string body = text("MQTT") + static_cast<char>(options_.version);
    const bool will = !options_.will_topic.empty();
    body += static_cast<char>((options_.clean ? 2 : 0) | (will ? 4 | 8 : 0) | (options_.will_retain ? 32 : 0) |
                              (options_.username.empty() ? 0 : 128));
    body += id(options_.keepalive);
    if (options_.version == 5) {
      const std::uint32_t e = options_.session_expiry;
      body += {5,
               17,
               static_cast<char>(e >> 24),
               static_cast<char>(e >> 16),
               static_cast<char>(e >> 8),
               static_cast<char>(e)};
    }
    body += text(options_.client_id);
    if (will) {
      if (options_.version == 5) body += '\0';
      body += text(options_.will_topic) + text("gone");
    }
    if (!options_.username.empty()) body += text(options_.username);
    return body;
  }

  void send(unsigned char head, const std::string& body) {
    std::string packet(1, static_cast<char>(head));
    std::size_t left = body.size();
    do {
      packet += static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
      left >>= 7;
    } while (left > 0);
    packet += body;
    if (!ssl_ || SSL_write(ssl_.get(), packet.data(), static_cast<int>(packet.size())) <= 0) ended_ = true;
  }

  std::optional<Packet> wait_for(int kind, std::chrono::milliseconds patience = kPatience) {
    std::optional<Packet> found;
    const auto take = [&] {
      for (std::size_t i = 0; i < others_.size(); ++i) {
        if (others_[i].head >> 4 != kind) continue;
        found = others_[i];
        others_.erase(others_.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
      }
      return false;
    };
    if (!take()) pump(patience, take);
    return found;
  }

  template <typename Done>
  void pump(std::chrono::milliseconds patience, Done done) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!ended_ && ssl_ && !done()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      if (left.count() <= 0) return;
      pollfd event{fd_, POLLIN, 0};
      if (SSL_pending(ssl_.get()) == 0 && poll(&event, 1, static_cast<int>(left.count())) <= 0) continue;
      char chunk[16384];
      const int n = SSL_read(ssl_.get(), chunk, sizeof chunk);
      if (n <= 0) {
        ended_ = true;
        done();
        return;
      }
      buffer_.append(chunk, static_cast<std::size_t>(n));
      split();
    }
  }

  void split() {
    while (buffer_.size() >= 2) {
      std::size_t size = 0;
      std::size_t at = 1;
      for (int shift = 0;; shift += 7) {
        if (at >= buffer_.size()) return;
        const auto octet = static_cast<unsigned char>(buffer_[at++]);
        size |= static_cast<std::size_t>(octet & 0x7f) << shift;
        if ((octet & 0x80) == 0) break;
      }
      if (buffer_.size() < at + size) return;
      handle({static_cast<unsigned char>(buffer_[0]), buffer_.substr(at, size)});
      buffer_.erase(0, at + size);
    }
  }

  void handle(Packet packet) {
    if (packet.head >> 4 == 14) disconnect_code_ = packet.body.empty() ? 0 : static_cast<unsigned char>(packet.body[0]);
    if (packet.head >> 4 != 3) {
      others_.push_back(std::move(packet));
      return;
    }
    const std::size_t length =
        static_cast<unsigned char>(packet.body[0]) << 8 | static_cast<unsigned char>(packet.body[1]);
    std::size_t at = 2 + length;
    const bool acknowledged = (packet.head & 6) != 0;
    std::string packet_id;
    if (acknowledged) packet_id = packet.body.substr(at, 2), at += 2;
    if (options_.version == 5) at += 1 + static_cast<unsigned char>(packet.body[at]);
    inbox_.push_back({packet.body.substr(2, length), packet.body.substr(at), (packet.head & 1) != 0});
    if (acknowledged) send(0x40, packet_id);
  }

  MqttOptions options_;
  int fd_ = -1;
  std::shared_ptr<SSL_CTX> context_;
  std::shared_ptr<SSL> ssl_;
  int connack_ = -1;
  int disconnect_code_ = -1;
  bool session_present_ = false;
  bool ended_ = false;
  std::uint16_t packet_id_ = 0;
  std::string buffer_;
  std::vector<Packet> others_;
  std::vector<MqttMessage> inbox_;
};

}  // namespace muster::test_support
