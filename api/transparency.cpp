// SPDX-License-Identifier: Apache-2.0
//
// The issuance log: its public half (C2SP tlog-tiles: checkpoint, tiles, entries), which says nothing of anybody, and
// what the owners of certificates may open of it.
#include <charconv>

#include "api/log_json.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/log.h"
#include "enroll/transparency_reader.h"
#include "registry/certificate_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::string_view kImmutable = "public, max-age=31536000, immutable";
constexpr std::string_view kEntries = "entries";
constexpr std::string_view kPartial = ".p";
constexpr unsigned kMaxLevel = 5;  // with what else a path may hold, more leaves than a number of 64 bits counts
constexpr unsigned kFullWidth = 256;

std::optional<unsigned> parse_number(std::string_view text, std::size_t digits) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  const bool as_written = digits > 0 ? text.size() == digits : std::to_string(number) == text;
  return whole && as_written ? std::optional(number) : std::nullopt;
}

struct TilePath {
  bool entries = false;
  enroll::LogTile tile;
};

// tlog-tiles: /tile/<L>/<N>[.p/<W>], N in groups of three digits, all but the last with an x before it.
std::optional<TilePath> parse_path(std::vector<std::string> segments) {
  TilePath path;
  path.entries = segments.at(1) == kEntries;
  const auto level = path.entries ? std::optional(0U) : parse_number(segments[1], 0);
  if (!level || *level > kMaxLevel) return std::nullopt;
  path.tile.level = *level;
  const std::size_t last = segments.size() - 1;
  if (last >= 3 && segments[last - 1].ends_with(kPartial)) {
    const auto width = parse_number(segments[last], 0);
    if (!width || *width == 0 || *width >= kFullWidth) return std::nullopt;
    path.tile.width = *width;
    segments.pop_back();
    segments.back().resize(segments.back().size() - kPartial.size());
  }
  for (std::size_t i = 2; i < segments.size(); ++i) {
    std::string_view group = segments[i];
    const bool more = i + 1 < segments.size();
    if (more != group.starts_with('x')) return std::nullopt;
    if (more) group.remove_prefix(1);
    const auto number = parse_number(group, 3);
    if (!number || (more && i == 2 && *number == 0)) return std::nullopt;  // one name for one tile
    path.tile.number = path.tile.number * 1000 + *number;
  }
  return path;
}

http::Response failure(const Error& error, const http::Request& request) {
  static const Log log{"api"};
  if (http_status(error) >= 500) log.error("log not readable", {{"error", to_log_text(error)}});
  return to_problem(error, request.request_id);
}

http::Response text_response(Result<std::string> text, const http::Request& request) {
  if (!text.ok()) return failure(text.error(), request);
  http::Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("cache-control", "no-cache");
  response.body = std::move(*text);
  return response;
}

http::Response tile_response(ApiContext& context, const http::Request& request) {
  const auto path = parse_path(request.segments);
  if (!path) return failure({ErrorCode::kNotFound, reasons::kTileUnknown, ""}, request);
  enroll::TransparencyReader reader{context.authority};
  const auto octets = path->entries ? reader.entries(path->tile.number, path->tile.width) : reader.tile(path->tile);
  if (!octets.ok()) return failure(octets.error(), request);
  http::Response response;
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("cache-control", kImmutable);
  response.body = as_text(*octets);
  return response;
}

// By id, as in the path of the certificate itself; a serial works, too.
Result<http::Response> inclusion(Call& call) {
  MUSTER_TRY(const auto row, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_certificate_by_reference(tx, call.tenant().id,
                                                             call.request.parameter("certificate"), call.now());
             }));
  enroll::TransparencyReader reader{call.context.authority};
  MUSTER_TRY(const auto found, reader.inclusion(call.tenant().id, row.id));
  JsonWriter out;
  out.object([&] {
    out.field("tenant_id", call.tenant().id.text())
        .field("issuer_id", row.issuer_id.text())
        .field("certificate_id", to_hex(row.id));
    out.key("log");
    write_inclusion(out, found);
  });
  return http::json_response(200, out.take());
}

Result<http::Response> openings(Call& call) {
  MUSTER_TRY(const std::int64_t first, call.query_integer("from", 0, 0, std::numeric_limits<std::int64_t>::max()));
  enroll::TransparencyReader reader{call.context.authority};
  MUSTER_TRY(const auto found, reader.openings(call.tenant().id, static_cast<std::uint64_t>(first)));
  JsonWriter out;
  out.object([&] {
    out.field("tenant_id", call.tenant().id.text());
    out.key("items").array([&] {
      for (const auto& opening : found) {
        out.object([&] {
          out.field("index", opening.index)
              .field("issuer_id", opening.issuer.text())
              .field("certificate_id", to_hex(opening.certificate_id))
              .field("blinding", to_base64(opening.blinding));
        });
      }
    });
    out.key("next_from");
    if (found.empty()) {
      out.null();
    } else {
      out.value(found.back().index + 1);
    }
  });
  return http::json_response(200, out.take());
}

}  // namespace

void add_transparency(ApiContext& context, http::Router& router) {
  const auto add = [&router](std::string pattern, http::Handler handler) {
    http::Route route;
    route.method = "GET";
    route.pattern = std::move(pattern);
    route.max_body_bytes = 0;
    route.handler = std::move(handler);
    router.add(std::move(route));
  };
  add("/checkpoint", [&context](const http::Request& request) {
    return text_response(enroll::TransparencyReader{context.authority}.checkpoint(), request);
  });
  add("/log-key", [&context](const http::Request& request) {
    return text_response(enroll::TransparencyReader{context.authority}.verifier_key(), request);
  });
  for (const char* path : {"/tile/{level}/{n1}", "/tile/{level}/{n1}/{n2}", "/tile/{level}/{n1}/{n2}/{n3}",
                           "/tile/{level}/{n1}/{n2}/{n3}/{n4}"}) {
    add(path, [&context](const http::Request& request) { return tile_response(context, request); });
  }
}

void add_log_openings(Operations& operations) {
  operations.push_back(
      {"GET", "/v1/tenants/{tenant}/certificates/{certificate}/inclusion", Action::kCertificateRead, inclusion});
  operations.push_back(
      {"GET", "/v1/tenants/{tenant}/log", Action::kCertificateRead, openings, Replay::kNone, {"from"}});
}

}  // namespace muster::api
