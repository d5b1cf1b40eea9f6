// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "api/http_date.h"
#include "api/problem.h"
#include "api/routes.h"
#include "core/log.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::string_view kSuffix = ".crl";

constexpr std::size_t kLargest = 1u << 20;  // octets of an answer that is copied
constexpr std::size_t kPart = 64u << 10;

bool write_in_parts(http::BodyWriter& out, std::string_view text) {
  for (; !text.empty(); text.remove_prefix(std::min(kPart, text.size()))) {
    if (!out.write(text.substr(0, kPart))) return false;
  }
  return true;
}

// "0.crl" → 0.
std::optional<std::uint32_t> parse_shard(std::string_view text) {
  if (text.size() <= kSuffix.size() || text.substr(text.size() - kSuffix.size()) != kSuffix) return std::nullopt;
  text.remove_suffix(kSuffix.size());
  std::uint32_t shard = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), shard);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(shard) != text) return std::nullopt;
  return shard;
}

// The entity tag is the CRL number: another number, another list.
http::Response crl_response(const http::Request& request, const std::shared_ptr<const enroll::PublishedCrl>& crl) {
  const std::string entity_tag = "\"" + std::to_string(crl->number) + "\"";
  http::Response response;
  response.headers.emplace_back("cache-control", "public, max-age=60");
  response.headers.emplace_back("etag", entity_tag);
  response.headers.emplace_back("last-modified", http_date(crl->this_update));
  if (is_not_modified(request, entity_tag)) {
    response.status = 304;
    return response;
  }
  response.content_type = "application/pkix-crl";
  if (crl->der.size() <= kLargest) {
    response.body = as_text(crl->der);
  } else {  // from where it lies, so that many readers of a large list cost no copies of it
    response.stream = [crl](http::BodyWriter& out) { return write_in_parts(out, as_text(crl->der)); };
  }
  return response;
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
  return crl_response(request, *crl);
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
