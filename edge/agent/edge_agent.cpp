// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/edge_agent.h"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/log.h"
#include "core/metrics.h"
#include "edge/agent/broker_metrics_text.h"
#include "edge/agent/event_reporter.h"
#include "edge/agent/identity_sync.h"
#include "edge/agent/order_courier.h"
#include "edge/agent/registration_courier.h"
#include "edge/agent/session_courier.h"
#include "edge/agent/shipper.h"
#include "edge/registration_report.h"
#include "edge/session_news.h"
#include "edge/session_orders.h"
#include "edge/trusted_file.h"
#include "http/client.h"
#include "http/server.h"
#include "ingest/postgres/postgres_log.h"

namespace muster::edge {
namespace {

constexpr std::size_t kMaxPluginMetrics = 1U << 20;
constexpr std::size_t kMaxEntityLine = 8U << 20;  // an anchor with kMaxRevokedKeys in base64 has 5 MB
// A poll lasts at most 30 s, and a retry after a failure 15 s: a minute of silence means that something is wrong.
constexpr std::chrono::seconds kSilenceThatIsUnwell{60};

Result<http::Client> make_client(const EdgeConfig& config) {
  http::ClientConfig client;
  client.base_url = config.server_url;
  client.ca_file = config.infrastructure_root_file;
  client.client_certificate_file = config.certificate_file;
  client.client_key_file = config.key_file;
  client.max_line_bytes = kMaxEntityLine;
  return http::Client::create(std::move(client));
}

// The brokers of this host: the first and the further ones.
std::vector<EdgeConfig::Broker> brokers_of(const EdgeConfig& config) {
  std::vector<EdgeConfig::Broker> brokers{{config.wal_folder, config.plugin_metrics_file}};
  brokers.insert(brokers.end(), config.more_brokers.begin(), config.more_brokers.end());
  return brokers;
}

http::Response metrics_page(const MetricsRegistry& metrics, const std::vector<EdgeConfig::Broker>& brokers) {
  http::Response response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = metrics.render();
  for (std::size_t i = 0; i < brokers.size(); ++i) {
    if (brokers[i].plugin_metrics_file.empty()) continue;
    // Absent until the broker has started once.
    const auto plugin = read_foreign_file(brokers[i].plugin_metrics_file, kMaxPluginMetrics);
    if (!plugin.ok()) continue;
    response.body += i == 0 ? std::string(as_text(*plugin)) : samples_of_broker(as_text(*plugin), i + 1);
  }
  return response;
}

http::Response health_page(const IdentitySync& sync) {
  const auto silence = sync.since_last_answer();
  const bool connected = silence && *silence < kSilenceThatIsUnwell;
  const bool well = connected && sync.has_snapshot();
  return http::json_response(well ? 200 : 503, std::string{R"({"status":")"} + (well ? "ok" : "unwell") +
                                                   R"(","server_answers":)" + (connected ? "true" : "false") +
                                                   R"(,"snapshot":)" + (sync.has_snapshot() ? "true}" : "false}"));
}

Result<std::unique_ptr<http::Listener>> serve_metrics(const EdgeConfig& config, MetricsRegistry& metrics,
                                                      const IdentitySync& sync) {
  MUSTER_TRY(const ListenAddress address, parse_loopback(config.metrics_listen));
  http::ListenerConfig listener;
  listener.name = "edge-metrics";
  listener.address = address.address;
  listener.port = address.port;
  listener.threads = 2;
  listener.max_connections = 64;
  http::Router router;
  http::Route metrics_route;
  metrics_route.method = "GET";
  metrics_route.pattern = "/metrics";
  metrics_route.handler = [&metrics, brokers = brokers_of(config)](const http::Request&) {
    return metrics_page(metrics, brokers);
  };
  router.add(std::move(metrics_route));
  http::Route health_route;
  health_route.method = "GET";
  health_route.pattern = "/healthz";
  health_route.handler = [&sync](const http::Request&) { return health_page(sync); };
  router.add(std::move(health_route));
  return http::Listener::create(std::move(listener), std::move(router), metrics);
}

void wait_for(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock{mutex};
  woken.wait(lock, stop, [] { return false; });
}

ShipperConfig shipper_config(const EdgeConfig& config, const std::string& wal_folder) {
  ShipperConfig shipper;
  shipper.wal_folder = wal_folder;
  shipper.retention = {std::chrono::seconds{config.wal_keep_seconds}, config.wal_keep_bytes,
                       config.wal_keep_free_bytes};
  return shipper;
}

// What runs once for each broker: its WAL goes to the log, its reports of unknown devices to the server.
struct BrokerWork {
  std::unique_ptr<ingest::Appender> appender;
  std::unique_ptr<Shipper> shipper;
  std::unique_ptr<RegistrationCourier> courier;
};

Result<BrokerWork> make_work(const EdgeConfig& config, const std::string& wal_folder, ingest::Log& log,
                             EventReporter& events, MetricsRegistry& metrics) {
  if (!std::filesystem::is_directory(wal_folder)) {
    return Error{ErrorCode::kInvalidArgument, "config.folder_invalid", "wal_folder: " + wal_folder};
  }
  BrokerWork work;
  work.appender = log.open_appender();
  work.shipper = std::make_unique<Shipper>(shipper_config(config, wal_folder), *work.appender, events, metrics);
  MUSTER_TRY(http::Client client, make_client(config));
  work.courier = std::make_unique<RegistrationCourier>(reports_folder(wal_folder), std::move(client), metrics);
  return work;
}

struct SessionWork {
  std::unique_ptr<SessionCourier> news;
  std::unique_ptr<OrderCourier> orders;
};

Result<SessionWork> make_session_work(const EdgeConfig& config, MetricsRegistry& metrics) {
  std::vector<std::string> folders;
  for (const auto& broker : brokers_of(config)) folders.push_back(sessions_folder(broker.wal_folder));
  SessionWork work;
  MUSTER_TRY(http::Client news_client, make_client(config));
  work.news = std::make_unique<SessionCourier>(std::move(folders), std::move(news_client), metrics);
  MUSTER_TRY(http::Client orders_client, make_client(config));
  OrdersFolder folder{orders_folder(config.snapshot_folder), config.snapshot_file_mode};
  work.orders = std::make_unique<OrderCourier>(std::move(folder), std::move(orders_client), metrics);
  return work;
}

}  // namespace

Result<void> run_edge(const EdgeConfig& config, std::stop_token stop) {
  MUSTER_TRY_VOID(check(config));
  MetricsRegistry metrics;
  MUSTER_TRY(http::Client events_client, make_client(config));
  EventReporter events{std::move(events_client), metrics};

  MUSTER_TRY(SnapshotFolderWriter folder,
             SnapshotFolderWriter::open({.folder = config.snapshot_folder, .file_mode = config.snapshot_file_mode}));
  MUSTER_TRY(http::Client sync_client, make_client(config));
  IdentitySyncConfig sync_config;
  sync_config.poll_wait = std::chrono::milliseconds{config.poll_wait_ms};
  sync_config.digest_period = std::chrono::seconds{config.digest_period_seconds};
  IdentitySync sync{sync_config, std::move(folder), std::move(sync_client), events, metrics};

  MUSTER_TRY(const auto log, ingest::PostgresLog::create({.database_url = config.database_url}));
  std::vector<BrokerWork> works;
  for (const auto& broker : brokers_of(config)) {
    MUSTER_TRY(auto work, make_work(config, broker.wal_folder, *log, events, metrics));
    works.push_back(std::move(work));
  }
  MUSTER_TRY(const SessionWork sessions, make_session_work(config, metrics));

  std::unique_ptr<http::Listener> listener;
  if (!config.metrics_listen.empty()) {
    MUSTER_TRY(listener, serve_metrics(config, metrics, sync));
    listener->start();
  }
  const Log line{"edge"};
  line.info("edge started", {{"server", config.server_url}});
  {
    const std::jthread event_thread{[&](std::stop_token token) { events.run(token); }};
    const std::jthread sync_thread{[&](std::stop_token token) { sync.run(token); }};
    const std::jthread news_thread{[&](std::stop_token token) { sessions.news->run(token); }};
    const std::jthread orders_thread{[&](std::stop_token token) { sessions.orders->run(token); }};
    std::vector<std::jthread> threads;
    for (BrokerWork& work : works) {
      threads.emplace_back([&work](std::stop_token token) { work.shipper->run(token); });
      threads.emplace_back([&work](std::stop_token token) { work.courier->run(token); });
    }
    wait_for(stop);
  }
  if (listener) listener->stop();
  line.info("edge stopped");
  return {};
}

}  // namespace muster::edge
