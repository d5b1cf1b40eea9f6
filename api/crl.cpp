// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include "api/problem.h"
#include "api/routes.h"
#include "core/log.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::string_view kSuffix = ".crl";

// "0.crl" → 0.
std::optional<std::uint32_t> parse_shard(std::string_view text) {
  if (text.size() <= kSuffix.size() || text.substr(text.size() - kSuffix.size()) != kSuffix) return std::nullopt;
  text.remove_suffix(kSuffix.size());
  std::uint32_t shard = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), shard);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(shard) != text) return std::nullopt;
  return shard;
}

http::Response answer(ApiContext& context, const http::Request& request) {
  static const Log log{"api"};
  const auto issuer = IssuerId::parse(request.parameter("issuer"));
  const auto shard = parse_shard(request.parameter("shard"));
  if (!issuer.ok() || !shard)
    return to_problem({ErrorCode::kNotFound, registry::kIssuerNotFound, ""}, request.request_id);
  const auto crl = context.authority.crl(*issuer, *shard);
  if (!crl.ok()) {
    if (http_status(crl.error()) >= 500) log.error("no CRL", {{"error", to_log_text(crl.error())}});
    return to_problem(crl.error(), request.request_id);
  }
  http::Response response;
  response.content_type = "application/pkix-crl";
  response.body = as_text(*crl);
  response.headers.emplace_back("cache-control", "max-age=60");
  return response;
}

}  // namespace

void add_crl(ApiContext& context, http::Router& router) {
  http::Route route;
  route.method = "GET";
  route.pattern = "/crl/{issuer}/{shard}";
  route.max_body_bytes = 0;
  route.handler = [&context](const http::Request& request) { return answer(context, request); };
  router.add(std::move(route));
}

}  // namespace muster::api
