// SPDX-License-Identifier: Apache-2.0
#include "cli/mqtt_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <deque>

#include "cli/reasons.h"
#include "core/unique_fd.h"
#include "x509/openssl_ptr.h"

namespace muster::cli {
namespace {

using Moment = std::chrono::steady_clock::time_point;
using ContextPtr = std::unique_ptr<SSL_CTX, x509::OpenSslDelete<&SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, x509::OpenSslDelete<&SSL_free>>;

// Control packet types, MQTT 3.1.1 section 2.2.1, in the first octet's high half.
constexpr std::uint8_t kConnect = 0x10;
constexpr std::uint8_t kConnack = 0x20;
constexpr std::uint8_t kPublish = 0x30;
constexpr std::uint8_t kPuback = 0x40;
constexpr std::uint8_t kSubscribe = 0x82;
constexpr std::uint8_t kSuback = 0x90;
constexpr std::uint8_t kPingreq = 0xc0;
constexpr std::uint8_t kDisconnect = 0xe0;
constexpr std::size_t kMaxPacket = 1u << 20;

Error failed(std::string_view reason, std::string detail) {
  return Error{ErrorCode::kUnavailable, reason, std::move(detail)};
}

Error tls_failed(const std::string& step) {
  char text[256] = "connection closed";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return failed(kMqttConnectFailed, step + ": " + text);
}

void append_string(std::string& out, std::string_view text) {
  out += static_cast<char>(text.size() >> 8);
  out += static_cast<char>(text.size() & 0xff);
  out += text;
}

std::string packet(std::uint8_t first, const std::string& body) {
  std::string out(1, static_cast<char>(first));
  std::size_t left = body.size();
  do {  // variable byte integer, section 2.2.3
    const auto low = static_cast<std::uint8_t>(left % 128);
    left /= 128;
    out += static_cast<char>(left > 0 ? low | 0x80 : low);
  } while (left > 0);
  return out + body;
}

Result<UniqueFd> connect_tcp(const MqttConfig& config) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(config.host.c_str(), std::to_string(config.port).c_str(), &hints, &found) != 0) {
    return failed(kMqttConnectFailed, "the broker's name " + config.host + " does not resolve");
  }
  UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{config.timeout.count() / 1000, (config.timeout.count() % 1000) * 1000};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect(2) as well
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const bool connected = ::connect(fd.get(), found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (connected) return fd;
  return failed(kMqttConnectFailed,
                "cannot reach " + config.host + ":" + std::to_string(config.port) + ": " + std::strerror(errno));
}

// The certificate with its chain, and the key, from memory: keys of simulated devices need not be in files.
bool use_identity(SSL_CTX* context, const MqttConfig& config) {
  if (config.certificate_pem.empty()) return true;
  const x509::BioPtr certificates(
      BIO_new_mem_buf(config.certificate_pem.data(), static_cast<int>(config.certificate_pem.size())));
  const x509::BioPtr key_text(BIO_new_mem_buf(config.key_pem.data(), static_cast<int>(config.key_pem.size())));
  const x509::X509Ptr leaf(PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr));
  const x509::EvpPkeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (!leaf || !key || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (x509::X509Ptr next{PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return false;
  }
  ERR_clear_error();  // the end of the text is an error of the PEM reader
  return SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

Result<ContextPtr> make_context(const MqttConfig& config) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) return tls_failed("TLS set-up");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_load_verify_locations(context.get(), config.ca_file.c_str(), nullptr) != 1) {
    return tls_failed("reading " + config.ca_file);
  }
  if (!use_identity(context.get(), config)) return tls_failed("reading the device's certificate and key");
  return context;
}

}  // namespace

struct MqttClient::State {
  MqttConfig config;
  UniqueFd fd;
  ContextPtr context;
  SslPtr ssl;
  std::string received;
  std::deque<MqttMessage> messages;
  std::uint16_t next_packet_id = 1;
  Moment last_sent{};

  ~State() {
    if (ssl) SSL_shutdown(ssl.get());
    ERR_clear_error();
  }

  Moment deadline() const { return std::chrono::steady_clock::now() + config.timeout; }

  // Waits until the socket can do what the TLS call wanted; false when time is up or the call cannot go on.
  bool wait(int outcome, Moment until) {
    const int want = SSL_get_error(ssl.get(), outcome);
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) return false;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd.get(), static_cast<short>(want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
    return poll(&waiting, 1, static_cast<int>(left.count())) > 0;
  }

  Result<void> handshake() {
    const Moment until = deadline();
    for (int outcome = 0; (outcome = SSL_connect(ssl.get())) != 1;) {
      if (!wait(outcome, until)) return tls_failed("TLS handshake");
    }
    return {};
  }

  Result<void> send(const std::string& bytes) {
    const Moment until = deadline();
    for (int outcome = 0; (outcome = SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size()))) <= 0;) {
      if (!wait(outcome, until)) return lost();
    }
    last_sent = std::chrono::steady_clock::now();
    return {};
  }

  Error lost() {
    ERR_clear_error();
    return failed(kMqttConnectionLost, "the broker closed the connection of " + config.client_id);
  }

  // One whole packet from what was received: {first octet, body}.
  std::optional<std::pair<std::uint8_t, std::string>> take_packet() {
    std::size_t length = 0;
    for (std::size_t i = 1; i < received.size() && i <= 4; ++i) {
      length |= static_cast<std::size_t>(received[i] & 0x7f) << (7 * (i - 1));
      if ((received[i] & 0x80) != 0) continue;
      if (length > kMaxPacket || received.size() < i + 1 + length) return std::nullopt;
      std::pair<std::uint8_t, std::string> out(received[0], received.substr(i + 1, length));
      received.erase(0, i + 1 + length);
      return out;
    }
    return std::nullopt;
  }

  // The next packet, nullopt when time is up.
  Result<std::optional<std::pair<std::uint8_t, std::string>>> next(Moment until) {
    char buffer[4096];
    for (;;) {
      if (auto complete = take_packet()) return complete;
      const int got = SSL_read(ssl.get(), buffer, sizeof buffer);
      if (got > 0) {
        received.append(buffer, static_cast<std::size_t>(got));
        if (received.size() > 2 * kMaxPacket) return lost();
      } else if (const int want = SSL_get_error(ssl.get(), got);
                 want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) {
        return lost();
      } else if (!wait(got, until)) {
        return std::optional<std::pair<std::uint8_t, std::string>>();
      }
    }
  }

  // Acknowledges and keeps an incoming PUBLISH.
  Result<void> keep(std::uint8_t first, const std::string& body) {
    if (body.size() < 2) return lost();
    const std::size_t topic_size = static_cast<std::uint8_t>(body[0]) * 256u + static_cast<std::uint8_t>(body[1]);
    const bool acknowledged = (first & 0x06) != 0;
    const std::size_t header = 2 + topic_size + (acknowledged ? 2 : 0);
    if (body.size() < header) return lost();
    messages.push_back({body.substr(2, topic_size), body.substr(header), (first & 0x01) != 0});
    if (!acknowledged) return {};
    return send(packet(kPuback, body.substr(2 + topic_size, 2)));
  }

  // Reads until a packet of `type` arrives and returns its body.
  Result<std::string> await(std::uint8_t type) {
    const Moment until = deadline();
    for (;;) {
      MUSTER_TRY(const auto found, next(until));
      if (!found) return failed(kMqttConnectionLost, "the broker did not answer " + config.client_id + " in time");
      if ((found->first & 0xf0) == (type & 0xf0)) return found->second;
      if ((found->first & 0xf0) == kPublish) MUSTER_TRY_VOID(keep(found->first, found->second));
    }
  }

  std::string take_packet_id() {
    const std::uint16_t id = next_packet_id;
    next_packet_id = static_cast<std::uint16_t>(next_packet_id == 65'535 ? 1 : next_packet_id + 1);  // 0 is not allowed
    return {static_cast<char>(id >> 8), static_cast<char>(id & 0xff)};
  }
};

MqttClient::MqttClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
MqttClient::MqttClient(MqttClient&&) noexcept = default;
MqttClient& MqttClient::operator=(MqttClient&&) noexcept = default;
MqttClient::~MqttClient() = default;

Result<MqttClient> MqttClient::open(const MqttConfig& config) {
  auto state = std::make_unique<State>();
  state->config = config;
  MUSTER_TRY(state->fd, connect_tcp(config));
  fcntl(state->fd.get(), F_SETFL, O_NONBLOCK);
  MUSTER_TRY(state->context, make_context(config));
  state->ssl.reset(SSL_new(state->context.get()));
  SSL_set_fd(state->ssl.get(), state->fd.get());
  SSL_set_tlsext_host_name(state->ssl.get(), config.server_name.c_str());
  if (SSL_set1_host(state->ssl.get(), config.server_name.c_str()) != 1) return tls_failed("TLS set-up");
  MUSTER_TRY_VOID(state->handshake());
  return MqttClient(std::move(state));
}

Result<void> check_broker_tls(const MqttConfig& config) {
  // With TLS 1.3 our side of the handshake ends before the broker refuses the missing certificate.
  const auto opened = MqttClient::open(config);
  if (!opened.ok()) return opened.error();
  return {};
}

Result<MqttClient> MqttClient::connect(const MqttConfig& config) {
  MUSTER_TRY(MqttClient client, open(config));
  State* state = client.state_.get();
  std::string body;
  append_string(body, "MQTT");
  body += '\x04';  // protocol level of 3.1.1
  body += '\x02';  // clean session
  body += static_cast<char>(config.keep_alive_seconds >> 8);
  body += static_cast<char>(config.keep_alive_seconds & 0xff);
  append_string(body, config.client_id);
  MUSTER_TRY_VOID(state->send(packet(kConnect, body)));
  const auto answer = state->await(kConnack);
  // TLS 1.3: a refused client certificate shows only at the first read.
  if (!answer.ok()) return failed(kMqttConnectFailed, answer.error().detail);
  if (answer->size() != 2 || (*answer)[1] != 0) {
    return failed(kMqttRefused, "CONNACK " + std::to_string(answer->empty() ? -1 : (*answer)[answer->size() - 1]));
  }
  return client;
}

Result<void> MqttClient::publish(std::string_view topic, std::string_view payload) {
  std::string body;
  append_string(body, topic);
  const std::string id = state_->take_packet_id();
  body += id;
  body += payload;
  MUSTER_TRY_VOID(state_->send(packet(kPublish | 0x02, body)));  // QoS 1
  MUSTER_TRY(const std::string acknowledged, state_->await(kPuback));
  if (acknowledged == id) return {};
  return failed(kMqttConnectionLost, "PUBACK of another message");
}

Result<void> MqttClient::subscribe(std::string_view filter) {
  std::string body = state_->take_packet_id();
  append_string(body, filter);
  body += '\x01';  // QoS 1
  MUSTER_TRY_VOID(state_->send(packet(kSubscribe, body)));
  MUSTER_TRY(const std::string answer, state_->await(kSuback));
  if (answer.size() == 3 && static_cast<std::uint8_t>(answer[2]) <= 1) return {};
  return failed(kMqttRefused, "SUBACK refuses " + std::string(filter));
}

Result<std::optional<MqttMessage>> MqttClient::receive(std::chrono::milliseconds limit) {
  const Moment until = std::chrono::steady_clock::now() + limit;
  const auto ping_every = std::chrono::seconds(state_->config.keep_alive_seconds) / 2;
  for (;;) {
    if (!state_->messages.empty()) {
      MqttMessage message = std::move(state_->messages.front());
      state_->messages.pop_front();
      return std::optional<MqttMessage>(std::move(message));
    }
    const Moment ping_at = state_->last_sent + ping_every;
    if (std::chrono::steady_clock::now() >= ping_at) MUSTER_TRY_VOID(state_->send(packet(kPingreq, "")));
    MUSTER_TRY(const auto found, state_->next(std::min(until, ping_at)));
    if (found && (found->first & 0xf0) == kPublish) MUSTER_TRY_VOID(state_->keep(found->first, found->second));
    if (!found && std::chrono::steady_clock::now() >= until) return std::optional<MqttMessage>();
  }
}

void MqttClient::disconnect() {
  (void)state_->send(packet(kDisconnect, "")).ok();
  state_.reset();
}

}  // namespace muster::cli
