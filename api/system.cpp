// SPDX-License-Identifier: Apache-2.0
#include "api/openapi_document.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"

namespace muster::api {
namespace {

void add_get(http::Router& router, const std::string& pattern, http::Handler handler) {
  http::Route route;
  route.method = "GET";
  route.pattern = pattern;
  route.handler = std::move(handler);
  route.max_body_bytes = 0;
  router.add(std::move(route));
}

// Metrics name tenants' work, so they are for this machine and for those who may see everything.
http::Response metrics(ApiContext& context, const http::Request& request) {
  if (!request.from_loopback()) {
    const auto who = authenticate(context, request);
    if (!who.ok()) return to_problem(who.error(), request.request_id);
    if (authorise(who->caller, Action::kMetricsRead, std::nullopt) != Decision::kAllow) {
      return to_problem({ErrorCode::kPermissionDenied, reasons::kForbidden, ""}, request.request_id);
    }
  }
  http::Response response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = context.metrics.render();
  return response;
}

http::Response ready(ApiContext& context, const http::Request& request) {
  const auto checked = context.pool.check();
  if (!checked.ok()) return to_problem(checked.error(), request.request_id);
  return http::json_response(200, R"({"status":"ready"})");
}

http::Response openapi(const http::Request&) {
  http::Response response;
  response.content_type = "application/yaml";
  response.body = openapi_document();
  return response;
}

}  // namespace

void add_health(http::Router& router) {
  add_get(router, "/healthz", [](const http::Request&) { return http::json_response(200, R"({"status":"ok"})"); });
}

void add_system(ApiContext& context, http::Router& router) {
  add_health(router);
  add_get(router, "/readyz", [&context](const http::Request& request) { return ready(context, request); });
  add_get(router, "/metrics", [&context](const http::Request& request) { return metrics(context, request); });
  add_get(router, "/openapi.yaml", openapi);
}

}  // namespace muster::api
