// SPDX-License-Identifier: Apache-2.0
//
// Purpose: one listening socket with its own threads, plain or TLS.
//
// Not built on httplib's server: the packaged one hands every connection to a thread before the first octet, so a few
// silent peers stall it; it reads lines and chunked bodies of any length, unpacks compressed bodies by itself and lets
// a peer set the REMOTE_ADDR it reports. Here a connection costs a thread only while there is work for it: peers that
// are silent, slow in their handshake or slow in sending wait in epoll, each against a deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/metrics.h"
#include "core/result.h"
#include "http/request_parser.h"
#include "http/router.h"

namespace muster::http {

enum class ClientCertificate { kNotAsked, kOptional, kRequired };

// Decides during the handshake about the chain that a client presents (DER, end entity first). An error refuses the
// handshake: a certificate that is presented but not accepted never becomes an anonymous caller. Called from many
// threads.
using ClientVerifier = std::function<Result<void>(const std::vector<Bytes>& chain)>;

struct TlsConfig {
  std::string certificate_file;  // PEM, chain included
  std::string key_file;          // PEM, readable by its owner only
  ClientCertificate client_certificate = ClientCertificate::kNotAsked;
  ClientVerifier verify_client;  // required unless kNotAsked
};

struct ListenerConfig {
  std::string name;              // in log lines and metrics: "rest", "edges", "plain"
  std::string address;           // numeric, "127.0.0.1" or "::1"
  std::uint16_t port = 0;        // 0: any free one
  std::optional<TlsConfig> tls;  // empty: plain HTTP
  std::size_t threads = 48;      // requests handled at once
  std::size_t max_connections = 4'096;
  std::size_t max_connections_per_address = 1'024;
  // Threads that one source address may occupy at once; the rest stay free for others. Loopback is not limited: proxies
  // and this machine's own programs come from there.
  std::size_t max_busy_per_address = 24;
  ParserLimits limits;
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds head_timeout{10'000};  // from the first octet of a request to the end of its header section
  std::chrono::milliseconds body_timeout{30'000};  // plus the time that `min_rate_bytes_per_second` allows
  std::chrono::milliseconds idle_timeout{30'000};  // between requests
  std::size_t min_rate_bytes_per_second = 32'768;  // of a body in either direction
};

class Listener {
 public:
  // Binds and listens; no connection is accepted before start(). `router` must be complete.
  // Reasons: http.listen_failed, http.tls_files_unusable, file.permissions_too_open.
  static Result<std::unique_ptr<Listener>> create(ListenerConfig config, Router router, MetricsRegistry& metrics);
  virtual ~Listener() = default;
  virtual void start() = 0;
  // Accepts nothing more, lets running handlers finish (long polls must be told by their owner) and closes everything.
  // Safe to call twice.
  virtual void stop() = 0;
  virtual std::uint16_t port() const = 0;
  virtual const Router& router() const = 0;
};

}  // namespace muster::http
