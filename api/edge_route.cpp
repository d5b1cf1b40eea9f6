// SPDX-License-Identifier: Apache-2.0
#include "api/edge_route.h"

#include <utility>

#include "api/authentication.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "core/log.h"

namespace muster::api {

http::Route edge_route(ApiContext& context, const std::string& method, const std::string& pattern,
                       EdgeHandler handler) {
  http::Route route;
  route.method = method;
  route.pattern = pattern;
  route.handler = [&context, pattern, handler = std::move(handler)](const http::Request& request) {
    static const Log log{"api"};
    const auto run = [&]() -> Result<http::Response> {
      MUSTER_TRY(auto edge, authenticate_edge(context, request));
      return handler(std::move(edge), request);
    };
    auto response = run();
    if (response.ok()) return std::move(*response);
    if (http_status(response.error()) >= 500) {
      log.error("edge request failed",
                {{"request_id", request.request_id}, {"route", pattern}, {"error", to_log_text(response.error())}});
    }
    return to_problem(response.error(), request.request_id);
  };
  return route;
}

Result<void> refuse_query(const http::Request& request) {
  if (request.query.empty()) return {};
  return Error{ErrorCode::kInvalidArgument, reasons::kQueryUnknown, request.query.begin()->first.substr(0, 64)};
}

}  // namespace muster::api
