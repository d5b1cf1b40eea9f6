// SPDX-License-Identifier: Apache-2.0
#include "cli/metrics_page.h"

#include "cli/config_file.h"
#include "cli/reasons.h"

namespace muster::cli {
namespace {

void add_page(http::Router& router, const std::string& path, http::Handler handler) {
  http::Route route;
  route.method = "GET";
  route.pattern = path;
  route.handler = std::move(handler);
  router.add(std::move(route));
}

}  // namespace

Result<std::unique_ptr<http::Listener>> open_metrics_page(const std::string& listen, MetricsRegistry& metrics) {
  MUSTER_TRY(const HostPort address, parse_host_port("metrics_listen", listen));
  if (!address.host.starts_with("127.") && address.host != "::1") {
    return Error{
        ErrorCode::kInvalidArgument, kConfigInvalid,
        "metrics_listen is \"" + listen + "\", but must be a loopback address: the page asks nobody who he is"};
  }
  http::Router router;
  add_page(router, "/metrics", [&metrics](const http::Request&) {
    return http::Response{200, "text/plain; version=0.0.4", metrics.render(), {}, {}};
  });
  add_page(router, "/healthz", [](const http::Request&) { return http::json_response(200, "{\"status\":\"ok\"}"); });
  http::ListenerConfig config;
  config.name = "metrics";
  config.address = address.host;
  config.port = address.port;
  config.threads = 2;
  MUSTER_TRY(auto listener, http::Listener::create(std::move(config), std::move(router), metrics));
  listener->start();
  return listener;
}

}  // namespace muster::cli
