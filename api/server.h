// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the HTTP side of `muster server`: three listeners over one registry and one registration authority, which
// whoever composes the program makes and owns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/rate_limiter.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/result.h"
#include "db/connection_pool.h"
#include "enroll/registration_authority.h"
#include "http/outside_fetch.h"
#include "http/router.h"

namespace muster::api {

struct ListenAddress {
  std::string host = "127.0.0.1";  // numeric
  std::uint16_t port = 0;          // 0: any free one
};

struct ServerConfig {
  ListenAddress rest;            // TLS, client certificate optional: operators, applications, factories, devices
  ListenAddress edges;           // TLS, infrastructure certificate required
  ListenAddress plain;           // no TLS: CRLs and /healthz only
  std::string certificate_file;  // PEM with chain, for rest and edges
  std::string key_file;          // PEM, readable by its owner only
  std::string database_url;      // for LISTEN and for reading streams; login muster_server
  std::string trust_domain = "muster.internal";
  http::OutsidePolicy crl_fetching;  // from where CRLs of tenants' own PKI may be fetched; nowhere by default
  std::size_t rest_threads = 64;
  std::size_t edge_threads = 512;  // each edge holds two in its long polls
  RateLimit caller_rate{500, 2'000};
  RateLimit source_rate{50, 500};  // failed authentications and joins, per address
};

// What must outlive the server.
struct ServerDependencies {
  db::ConnectionPool& pool;  // more connections than the cores of a machine need: handlers wait for fsync
  enroll::RegistrationAuthority& authority;
  const Clock& clock;
  MetricsRegistry& metrics;
};

class Server {
 public:
  // Initialises the deployment where it is new (roots, intermediate), starts a new change epoch after a restore, binds
  // all three sockets. Nothing is accepted before start(). Reasons: config.trust_domain_invalid, http.listen_failed,
  // http.tls_files_unusable, file.*, log.config_invalid, and those of initialise_deployment.
  static Result<std::unique_ptr<Server>> create(ServerConfig config, ServerDependencies dependencies);
  virtual ~Server() = default;

  virtual void start() = 0;
  // Ends long polls, lets running requests finish, closes all connections. Safe to call twice.
  virtual void stop() = 0;
  virtual std::uint16_t rest_port() const = 0;
  virtual std::uint16_t edges_port() const = 0;
  virtual std::uint16_t plain_port() const = 0;
  // "GET /v1/tenants" … of all listeners, sorted, each once: for the test that holds docs/openapi.yaml against it.
  virtual std::vector<std::string> operations() const = 0;
};

}  // namespace muster::api
