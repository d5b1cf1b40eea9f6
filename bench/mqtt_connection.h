// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one non-blocking MQTT 3.1.1 connection over mutual TLS, as cheap as we can make it, for the load generator:
// what it costs itself limits what it can measure.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace muster::bench {

// Device is one line of the manifest: who connects, with which certificate, and where it publishes.
struct Device {
  std::string client_id;
  std::string certificate_file;
  std::string key_file;
  std::string topic;
};

// seconds_now reads the monotonic clock.
double seconds_now();

// Connection is driven by an epoll instance of the caller, to which it adds itself with `index` as data.
// Confined to one thread. A connection that fails ends the program: a benchmark with errors has no figure.
class Connection {
 public:
  enum class State : std::uint8_t { kClosed, kTcp, kTls, kWaitsForConnack, kReady };

  Connection(const Device& device, std::uint32_t index);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open(const sockaddr_in& broker, int epoll);
  void close();
  // Advances handshake, reading and writing. Acknowledged publishes are appended to `latencies` (seconds since the
  // time that publish() was given) and counted.
  void on_event(std::uint32_t events, std::deque<double>& latencies);
  // Queues a QoS 1 publish; `since` is when it was due. flush() sends what is queued.
  void publish(std::string_view payload, double since);
  // Queues one of QoS 0. It counts as acknowledged when the answer to the next ping() comes: brokers take a
  // connection's packets in order.
  void publish_at_most_once(std::string_view payload, double since);
  void ping();
  void flush();

  State state() const { return state_; }
  std::size_t unacknowledged() const { return waiting_since_.size(); }
  double opened_at() const { return opened_at_; }

 private:
  void begin_tls();
  void continue_handshake();
  void receive(std::deque<double>& latencies);
  void take_packets(std::deque<double>& latencies);
  void acknowledged(std::size_t count, std::deque<double>& latencies);
  void take_packet(std::uint8_t type, std::string_view body, std::deque<double>& latencies);
  void watch(bool for_writing);
  [[noreturn]] void fail(const char* what) const;

  const Device& device_;
  const std::uint32_t index_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  int epoll_ = -1;
  State state_ = State::kClosed;
  bool watches_writing_ = false;
  double opened_at_ = 0;
  std::string out_;
  std::size_t written_ = 0;
  std::string in_;
  std::uint16_t packet_id_ = 0;
  std::deque<double>
      waiting_since_;              // one entry per unacknowledged publish, oldest first: brokers acknowledge in order
  std::size_t unpinged_ = 0;       // of those, without a ping behind them
  std::deque<std::size_t> pings_;  // how many each ping under way is for
};

}  // namespace muster::bench
