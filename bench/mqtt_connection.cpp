// SPDX-License-Identifier: Apache-2.0
#include "bench/mqtt_connection.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

namespace muster::bench {

namespace {

constexpr std::size_t kRecord = 16384;  // the largest TLS record
constexpr std::uint8_t kConnack = 2;
constexpr std::uint8_t kPuback = 4;
constexpr std::uint8_t kPingresp = 13;

void append_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value));
}

void append_text(std::string& out, std::string_view text) {
  append_u16(out, text.size());
  out += text;
}

void append_packet(std::string& out, std::uint8_t first, std::string_view body) {
  out.push_back(static_cast<char>(first));
  std::size_t length = body.size();
  do {
    const auto digit = static_cast<std::uint8_t>(length % 128);
    length /= 128;
    out.push_back(static_cast<char>(length > 0 ? digit | 0x80 : digit));
  } while (length > 0);
  out += body;
}

std::string connect_packet(std::string_view client_id) {
  std::string body;
  append_text(body, "MQTT");
  body.push_back(4);  // 3.1.1
  body.push_back(2);  // clean session
  append_u16(body, 60);
  append_text(body, client_id);
  std::string packet;
  append_packet(packet, 0x10, body);
  return packet;
}

// Length of the packet at the start of `in` as {header octets, body octets}; nullopt when it is not complete.
std::optional<std::pair<std::size_t, std::size_t>> complete_packet(std::string_view in) {
  std::size_t length = 0;
  for (std::size_t i = 1; i < std::min<std::size_t>(in.size(), 5); ++i) {
    const auto octet = static_cast<std::uint8_t>(in[i]);
    length |= static_cast<std::size_t>(octet & 0x7f) << (7 * (i - 1));
    if ((octet & 0x80) == 0) {
      return in.size() >= i + 1 + length ? std::optional(std::pair(i + 1, length)) : std::nullopt;
    }
  }
  return std::nullopt;
}

SSL_CTX* make_context(const Device& device) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  // The broker is on loopback and is what we measure: verifying its certificate would only cost the generator.
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_use_certificate_chain_file(context, device.certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, device.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    std::fprintf(stderr, "cannot load %s or %s\n", device.certificate_file.c_str(), device.key_file.c_str());
    std::exit(1);
  }
  return context;
}

}  // namespace

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Connection::Connection(const Device& device, std::uint32_t index)
    : device_(device), index_(index), context_(make_context(device)) {}

Connection::~Connection() {
  close();
  SSL_CTX_free(context_);
}

void Connection::open(const sockaddr_in& broker, int epoll) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  opened_at_ = seconds_now();
  epoll_ = epoll;
  state_ = State::kTcp;
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&broker), sizeof broker) != 0 && errno != EINPROGRESS) {
    fail("connect");
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.u32 = index_;
  watches_writing_ = true;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event);
}

void Connection::close() {
  if (ssl_ != nullptr) {
    SSL_set_quiet_shutdown(ssl_, 1);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (fd_ >= 0) {
    // Reset: thousands of TIME_WAIT sockets would exhaust the ports.
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd_);
    fd_ = -1;
  }
  state_ = State::kClosed;
  out_.clear();
  written_ = 0;
  in_.clear();
  waiting_since_.clear();
}

void Connection::on_event(std::uint32_t events, std::deque<double>& latencies) {
  if (state_ == State::kTcp && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    begin_tls();
  }
  if (state_ == State::kTls) {
    continue_handshake();
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP)) != 0 && ssl_ != nullptr) {
    receive(latencies);
  }
  if ((events & EPOLLOUT) != 0 && state_ == State::kReady) {
    flush();
  }
}

void Connection::begin_tls() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    errno = error;
    fail("connect");
  }
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  SSL_set_connect_state(ssl_);
  state_ = State::kTls;
}

void Connection::continue_handshake() {
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const int error = SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      fail("TLS handshake");
    }
    watch(error == SSL_ERROR_WANT_WRITE);
    return;
  }
  state_ = State::kWaitsForConnack;
  out_ += connect_packet(device_.client_id);
  flush();
}

void Connection::receive(std::deque<double>& latencies) {
  char buffer[kRecord];
  while (ssl_ != nullptr) {
    const int count = SSL_read(ssl_, buffer, sizeof buffer);
    if (count <= 0) {
      const int error = SSL_get_error(ssl_, count);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        fail("the broker closed the connection");
      }
      break;
    }
    in_.append(buffer, static_cast<std::size_t>(count));
    take_packets(latencies);
  }
}

void Connection::take_packets(std::deque<double>& latencies) {
  std::size_t taken = 0;
  const std::string_view all = in_;
  while (const auto sizes = complete_packet(all.substr(taken))) {
    const auto type = static_cast<std::uint8_t>(static_cast<std::uint8_t>(all[taken]) >> 4);
    take_packet(type, all.substr(taken + sizes->first, sizes->second), latencies);
    taken += sizes->first + sizes->second;
  }
  in_.erase(0, taken);
}

void Connection::take_packet(std::uint8_t type, std::string_view body, std::deque<double>& latencies) {
  if (type == kConnack) {
    if (body.size() != 2 || body[1] != 0) {
      std::fprintf(stderr, "%s: CONNACK %d\n", device_.client_id.c_str(), body.size() == 2 ? body[1] : -1);
      std::exit(1);
    }
    state_ = State::kReady;
  } else if (type == kPuback) {
    acknowledged(1, latencies);
  } else if (type == kPingresp && !pings_.empty()) {
    acknowledged(pings_.front(), latencies);
    pings_.pop_front();
  }
}

void Connection::acknowledged(std::size_t count, std::deque<double>& latencies) {
  const double now = seconds_now();
  for (; count > 0 && !waiting_since_.empty(); --count) {
    latencies.push_back(now - waiting_since_.front());
    waiting_since_.pop_front();
  }
}

void Connection::publish(std::string_view payload, double since) {
  packet_id_ = static_cast<std::uint16_t>(packet_id_ % 60000 + 1);
  std::string body;
  append_text(body, device_.topic);
  append_u16(body, packet_id_);
  body += payload;
  append_packet(out_, 0x32, body);  // PUBLISH, QoS 1
  waiting_since_.push_back(since);
}

void Connection::publish_at_most_once(std::string_view payload, double since) {
  std::string body;
  append_text(body, device_.topic);
  body += payload;
  append_packet(out_, 0x30, body);  // PUBLISH, QoS 0
  waiting_since_.push_back(since);
  ++unpinged_;
}

void Connection::ping() {
  append_packet(out_, 0xc0, {});
  pings_.push_back(std::exchange(unpinged_, 0));
}

void Connection::flush() {
  while (written_ < out_.size()) {
    const int chunk = static_cast<int>(std::min(kRecord, out_.size() - written_));
    const int count = SSL_write(ssl_, out_.data() + written_, chunk);
    if (count <= 0) {
      const int error = SSL_get_error(ssl_, count);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        fail("write");
      }
      watch(true);
      return;
    }
    written_ += static_cast<std::size_t>(count);
  }
  out_.clear();
  written_ = 0;
  watch(false);
}

void Connection::watch(bool for_writing) {
  if (watches_writing_ == for_writing) {
    return;
  }
  epoll_event event{};
  event.events = EPOLLIN | (for_writing ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  event.data.u32 = index_;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd_, &event);
  watches_writing_ = for_writing;
}

void Connection::fail(const char* what) const {
  std::fprintf(stderr, "%s: %s: %s\n", device_.client_id.c_str(), what, errno != 0 ? std::strerror(errno) : "");
  ERR_print_errors_fp(stderr);
  std::exit(1);
}

}  // namespace muster::bench
