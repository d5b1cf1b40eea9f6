// SPDX-License-Identifier: Apache-2.0
#include "api/server.h"

#include <atomic>
#include <set>

#include "api/authentication.h"
#include "api/change_waiter.h"
#include "api/crl_fetching.h"
#include "api/holder_desk.h"
#include "api/housekeeping.h"
#include "api/order_waiter.h"
#include "api/routes.h"
#include "core/log.h"
#include "http/server.h"
#include "registry/change_store.h"

namespace muster::api {
namespace {

class HttpServer final : public Server {
 public:
  HttpServer(ServerConfig config, ServerDependencies dependencies, TrustDomain trust_domain,
             std::unique_ptr<ingest::TenantReader> reader)
      : config_(std::move(config)),
        trust_domain_(std::move(trust_domain)),
        reader_(std::move(reader)),
        changes_(config_.database_url),
        orders_(config_.database_url),
        holders_(dependencies.pool, dependencies.clock),
        by_caller_(config_.caller_rate),
        by_source_(config_.source_rate),
        context_{dependencies.pool,
                 dependencies.authority,
                 dependencies.clock,
                 dependencies.metrics,
                 trust_domain_,
                 *reader_,
                 changes_,
                 by_caller_,
                 by_source_,
                 stream_waiters_,
                 stopping_,
                 orders_,
                 holders_} {}
  ~HttpServer() override { stop(); }

  Result<void> open();
  void start() override;
  void stop() override;
  std::uint16_t rest_port() const override { return rest_->port(); }
  std::uint16_t edges_port() const override { return edges_->port(); }
  std::uint16_t plain_port() const override { return plain_->port(); }
  std::vector<std::string> operations() const override;

 private:
  http::ListenerConfig listener_config(const std::string& name, const ListenAddress& address,
                                       std::size_t threads) const;
  http::TlsConfig tls_config(http::ClientCertificate mode, http::ClientVerifier verify) const;

  const ServerConfig config_;
  const TrustDomain trust_domain_;
  const std::unique_ptr<ingest::TenantReader> reader_;
  ChangeWaiter changes_;
  OrderWaiter orders_;
  HolderDesk holders_;
  RateLimiter by_caller_;
  RateLimiter by_source_;
  std::atomic<int> stream_waiters_{0};
  std::atomic<bool> stopping_{false};
  ApiContext context_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<CrlFetching> crl_fetching_;
  std::unique_ptr<http::Listener> rest_;
  std::unique_ptr<http::Listener> edges_;
  std::unique_ptr<http::Listener> plain_;
};

http::ListenerConfig HttpServer::listener_config(const std::string& name, const ListenAddress& address,
                                                 std::size_t threads) const {
  http::ListenerConfig config;
  config.name = name;
  config.address = address.host;
  config.port = address.port;
  config.threads = threads;
  config.max_busy_per_address = threads / 2;
  return config;
}

http::TlsConfig HttpServer::tls_config(http::ClientCertificate mode, http::ClientVerifier verify) const {
  return {config_.certificate_file, config_.key_file, mode, std::move(verify)};
}

Result<void> HttpServer::open() {
  auto rest = listener_config("rest", config_.rest, config_.rest_threads);
  rest.tls = tls_config(http::ClientCertificate::kOptional,
                        [this](const std::vector<Bytes>& chain) { return verify_device_certificate(context_, chain); });
  MUSTER_TRY(rest_, http::Listener::create(rest, make_rest_router(context_), context_.metrics));
  auto edges = listener_config("edges", config_.edges, config_.edge_threads);
  edges.tls = tls_config(http::ClientCertificate::kRequired, [this](const std::vector<Bytes>& chain) {
    return verify_infrastructure_certificate(context_, chain);
  });
  MUSTER_TRY(edges_, http::Listener::create(edges, make_edges_router(context_), context_.metrics));
  auto plain = listener_config("plain", config_.plain, 8);
  plain.limits.opaque_prefix = "/ocsp/";
  MUSTER_TRY(plain_, http::Listener::create(plain, make_plain_router(context_), context_.metrics));
  return {};
}

void HttpServer::start() {
  rest_->start();
  edges_->start();
  plain_->start();
  housekeeping_ = std::make_unique<Housekeeping>(context_);
  crl_fetching_ = std::make_unique<CrlFetching>(context_, config_.crl_fetching);
}

void HttpServer::stop() {
  if (stopping_.exchange(true)) return;
  changes_.stop();
  orders_.stop();
  for (const auto& listener : {&rest_, &edges_, &plain_}) {
    if (*listener) (*listener)->stop();
  }
  crl_fetching_.reset();
  housekeeping_.reset();
}

std::vector<std::string> HttpServer::operations() const {
  std::set<std::string> all;
  for (const auto& listener : {&rest_, &edges_, &plain_}) {
    for (const http::Route& route : (*listener)->router().routes()) all.insert(route.method + " " + route.pattern);
  }
  return {all.begin(), all.end()};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(ServerConfig config, ServerDependencies dependencies) {
  MUSTER_TRY(const TrustDomain trust_domain, TrustDomain::parse(config.trust_domain));
  MUSTER_TRY_VOID(dependencies.authority.initialise_deployment());
  MUSTER_TRY(const bool renewed,
             db::run_in_transaction(dependencies.pool, db::Scope::system(),
                                    [](db::Transaction& tx) { return registry::renew_epoch_after_restore(tx); }));
  if (renewed) Log{"api"}.info("new change epoch: edges load everything again");
  MUSTER_TRY(auto reader, ingest::TenantReader::create({.database_url = config.database_url, .max_connections = 8}));
  auto server = std::make_unique<HttpServer>(std::move(config), dependencies, trust_domain, std::move(reader));
  MUSTER_TRY_VOID(server->open());
  return std::unique_ptr<Server>{std::move(server)};
}

}  // namespace muster::api
