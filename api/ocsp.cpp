// SPDX-License-Identifier: Apache-2.0
#include "enroll/ocsp_responder.h"

#include "api/http_date.h"
#include "api/routes.h"
#include "core/encoding.h"

namespace muster::api {
namespace {

// Ten certificates with a signature of the asker's; larger is refused with 413.
constexpr std::size_t kMaxRequest = 16u << 10;
// Answers that must be signed, per source address. Prepared ones are not limited.
constexpr RateLimit kSigned{50, 500};

// OcspService is what the two routes share; it lives as long as the listener.
class OcspService {
 public:
  explicit OcspService(ApiContext& context) : context_(context), responder_(context.authority), limiter_(kSigned) {}

  http::Response answer(const http::Request& request, BytesView der) {
    const auto reply =
        responder_.answer(der, [&] { return limiter_.take(request.remote_address, std::chrono::steady_clock::now()); });
    http::Response response;
    if (reply->cacheable) {
      add_cache_headers(response, *reply);
      if (request.method == "GET" && is_not_modified(request, reply->entity_tag)) {
        response.status = 304;
        return response;
      }
    } else {
      response.headers.emplace_back("cache-control", "no-store");
    }
    response.content_type = "application/ocsp-response";
    response.body = reply->der;
    return response;
  }

 private:
  // [RFC5019 6.2]
  void add_cache_headers(http::Response& response, const enroll::OcspReply& reply) const {
    const UtcTime now = context_.clock.now();
    const auto fresh_for = std::max<std::int64_t>(0, (reply.renew_at - now).count());
    response.headers.emplace_back("date", http_date(now));
    response.headers.emplace_back("cache-control",
                                  "max-age=" + std::to_string(fresh_for) + ", public, no-transform, must-revalidate");
    response.headers.emplace_back("last-modified", http_date(reply.this_update));
    response.headers.emplace_back("expires", http_date(reply.next_update));
    response.headers.emplace_back("etag", reply.entity_tag);
  }

  ApiContext& context_;
  enroll::OcspResponder responder_;
  RateLimiter limiter_;
};

}  // namespace

void add_ocsp(ApiContext& context, http::Router& router) {
  const auto service = std::make_shared<OcspService>(context);
  http::Route post;
  post.method = "POST";
  post.pattern = "/ocsp";
  post.max_body_bytes = kMaxRequest;
  post.handler = [service](const http::Request& request) {
    const auto body = request.body.view();
    return service->answer(request, body.ok() ? as_bytes(*body) : BytesView{});
  };
  router.add(std::move(post));
  // [RFC5019 5] the request in base64, percent-encoded; what is not base64 is a malformed request
  http::Route get;
  get.method = "GET";
  get.pattern = "/ocsp/{request}";
  get.max_body_bytes = 0;
  get.handler = [service](const http::Request& request) {
    const auto der = from_base64(request.parameter("request"));
    return service->answer(request, der.ok() ? BytesView{*der} : BytesView{});
  };
  router.add(std::move(get));
}

}  // namespace muster::api
