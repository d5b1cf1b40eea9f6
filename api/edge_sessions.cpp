// SPDX-License-Identifier: Apache-2.0
//
// Where devices are: edges say which sessions began, and get the orders that follow, to cut an older session or to hand
// a command to the newest (docs/many-brokers.md). An edge speaks for devices of tenants that it serves; what it says
// routes and cuts, and gives nobody a right.
#include <algorithm>

#include "api/authentication.h"
#include "api/edge_route.h"
#include "api/json_reader.h"
#include "api/json_writer.h"
#include "api/order_waiter.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "core/log.h"
#include "registry/audit_store.h"
#include "registry/command_store.h"
#include "registry/session_store.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxClaims = 500;
constexpr std::size_t kMaxReports = 500;
constexpr std::size_t kMaxDone = 200;
constexpr std::size_t kMaxOrders = 100;  // in one answer
constexpr std::int64_t kMaxWaitMs = 30'000;
// Of one edge: what a stolen one can do to the sessions of its tenants in a second.
constexpr RateLimit kClaimsOfEdge{40, 200};

const Log& log() {
  static const Log instance{"api"};
  return instance;
}

struct SessionMetrics {
  explicit SessionMetrics(MetricsRegistry& metrics)
      : claims(metrics.counter("muster_session_claims_total", "Sessions that edges said had begun")),
        moves(metrics.counter("muster_session_moves_total", "Sessions that moved from one broker to another")),
        contested(metrics.counter("muster_devices_contested_total",
                                  "Devices whose identity two seem to use; each at most once in ten minutes")) {}
  Counter& claims;
  Counter& moves;
  Counter& contested;
};

struct Desk {
  explicit Desk(ApiContext& context_) : context(context_), metrics(context_.metrics), rate(kClaimsOfEdge) {}
  ApiContext& context;
  SessionMetrics metrics;
  RateLimiter rate;
};

struct News {
  std::vector<registry::SessionClaim> claims;
  std::vector<registry::CommandReport> sent;
  std::vector<registry::CommandReport> answered;
};

template <typename IdType>
IdType read_id(JsonReader& from, const char* name) {
  const auto id = parse_raw_id(from.required_string(name));
  if (!id.ok()) from.fail(name, "a UUID in lower case");
  return id.ok() ? IdType{*id} : IdType{};
}

Result<std::vector<registry::CommandReport>> read_reports(JsonReader& body, const char* name) {
  std::vector<registry::CommandReport> reports;
  for (JsonReader& entry : body.required_objects(name, kMaxReports)) {
    registry::CommandReport report;
    report.tenant_id = read_id<TenantId>(entry, "tenant_id");
    report.device_id = read_id<DeviceId>(entry, "device_id");
    report.command_id = read_id<RawId>(entry, "command");
    MUSTER_TRY_VOID(entry.finish());
    reports.push_back(report);
  }
  return reports;
}

Result<News> read_news(const http::Request& request) {
  MUSTER_TRY(const std::string_view text, request.body.view());
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  News news;
  for (JsonReader& entry : body.required_objects("sessions", kMaxClaims)) {
    registry::SessionClaim claim;
    claim.incarnation = read_id<IncarnationId>(entry, "incarnation");
    claim.tenant_id = read_id<TenantId>(entry, "tenant_id");
    claim.device_id = read_id<DeviceId>(entry, "device_id");
    claim.connection_id = read_id<ConnectionId>(entry, "connection");
    claim.age = std::chrono::milliseconds{entry.required_integer("age_ms")};
    if (claim.age.count() < 0) entry.fail("age_ms", "milliseconds since the session began");
    MUSTER_TRY_VOID(entry.finish());
    news.claims.push_back(claim);
  }
  MUSTER_TRY(news.sent, read_reports(body, "sent"));
  MUSTER_TRY(news.answered, read_reports(body, "answered"));
  MUSTER_TRY_VOID(body.finish());
  return news;
}

// Stands in the tenant's audit: two that use one identity may mean that a key was copied.
registry::AuditEvent contest_of(const Desk& desk, const registry::Edge& edge, const registry::ClaimVerdict& verdict) {
  registry::AuditEvent event;
  event.tenant_id = verdict.tenant_id;
  event.at = desk.context.clock.now_micros();
  event.actor = "edge:" + edge.id.text();
  event.action = "device.contested";
  event.target = "device:" + verdict.device_id.text();
  event.target_name = verdict.device_name;
  event.detail.emplace_back(registry::AuditField::kEdge, edge.name);
  event.detail.emplace_back(
      registry::AuditField::kDetail,
      "the session moves to and fro between brokers, last from edge " + verdict.other_edge.text());
  return event;
}

Result<std::vector<registry::ClaimVerdict>> take_news(const Desk& desk, const registry::Edge& edge, const News& news) {
  using Verdicts = std::vector<registry::ClaimVerdict>;
  return db::run_in_transaction(desk.context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<Verdicts> {
    MUSTER_TRY_VOID(registry::note_commands_sent(tx, edge.tenants, news.sent));
    MUSTER_TRY_VOID(registry::note_commands_answered(tx, edge.tenants, news.answered));
    if (news.claims.empty()) return Verdicts{};
    MUSTER_TRY(auto verdicts, registry::claim_sessions(tx, edge.id, edge.tenants, news.claims));
    std::vector<registry::AuditEvent> events;
    for (const auto& verdict : verdicts) {
      if (verdict.contested) events.push_back(contest_of(desk, edge, verdict));
    }
    MUSTER_TRY_VOID(registry::append_audit_events(tx, events));
    return verdicts;
  });
}

Result<http::Response> sessions(Desk& desk, const registry::Edge& edge, const http::Request& request) {
  if (!desk.rate.take(edge.id.text(), std::chrono::steady_clock::now())) {
    return Error{ErrorCode::kResourceExhausted, reasons::kRateLimited, "too many requests"};
  }
  MUSTER_TRY(const News news, read_news(request));
  MUSTER_TRY(const auto verdicts, take_news(desk, edge, news));
  for (const auto& verdict : verdicts) {
    desk.metrics.claims.add();
    if (verdict.outcome == registry::ClaimOutcome::kMoved) desk.metrics.moves.add();
    if (!verdict.contested) continue;
    desk.metrics.contested.add();
    log().warning("two seem to use one device's identity",
                  {{"device", verdict.device_name}, {"edge", edge.name}, {"other_edge", verdict.other_edge.text()}});
  }
  http::Response response;
  response.status = 204;
  return response;
}

struct Poll {
  std::vector<RawId> done;
  std::chrono::milliseconds wait{0};
};

Result<Poll> read_poll(const http::Request& request) {
  MUSTER_TRY(const std::string_view text, request.body.view());
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  Poll poll;
  for (const std::string& item : body.optional_strings("done", kMaxDone).value_or(std::vector<std::string>{})) {
    const auto id = parse_raw_id(item);
    if (id.ok()) {
      poll.done.push_back(*id);
    } else {
      body.fail("done", "ids of orders");
    }
  }
  poll.wait = std::chrono::milliseconds{body.optional_integer("wait_ms").value_or(0)};
  if (poll.wait.count() < 0 || poll.wait.count() > kMaxWaitMs) body.fail("wait_ms", "0 to 30000");
  MUSTER_TRY_VOID(body.finish());
  return poll;
}

void write_order(JsonWriter& out, const registry::EdgeOrder& order) {
  out.object([&] {
    const bool is_command = order.command_id != RawId{};
    out.field("id", to_uuid_text(order.id))
        .field("kind", is_command ? "command" : "cut")
        .field("tenant_id", order.tenant_id.text())
        .field("device_id", order.device_id.text())
        .field("connection", order.connection_id.text());
    if (!is_command) return;
    out.field("command", to_uuid_text(order.command_id))
        .field("name", order.command_name)
        .field("content_type", order.content_type)
        .field("payload", to_base64(order.payload))
        .field("expires_in_ms", order.expires_in.count());
  });
}

Result<registry::EdgeOrders> look(const Desk& desk, const registry::Edge& edge, const std::vector<RawId>& done) {
  return db::run_in_transaction(desk.context.pool, db::Scope::system(),
                                [&](db::Transaction& tx) -> Result<registry::EdgeOrders> {
                                  MUSTER_TRY_VOID(registry::finish_edge_orders(tx, edge.id, done));
                                  return registry::read_edge_orders(tx, edge.id, kMaxOrders);
                                });
}

Result<http::Response> orders(Desk& desk, const registry::Edge& edge, const http::Request& request) {
  MUSTER_TRY(const Poll poll, read_poll(request));
  const auto deadline = std::chrono::steady_clock::now() + poll.wait;
  OrderWaiter& waiter = desk.context.orders;
  std::uint64_t generation = waiter.generation(edge.id);
  MUSTER_TRY(auto found, look(desk, edge, poll.done));
  while (found.orders.empty() && std::chrono::steady_clock::now() < deadline && !desk.context.stopping) {
    const auto turn = std::chrono::steady_clock::now() + found.next_due.value_or(poll.wait);
    waiter.wait(edge.id, generation, std::min(deadline, turn));
    generation = waiter.generation(edge.id);
    MUSTER_TRY(found, look(desk, edge, {}));
  }
  // The edge may have been removed while it waited: then it learns nothing more.
  MUSTER_TRY_VOID(authenticate_edge(desk.context, request));
  JsonWriter out;
  out.object([&] {
    out.key("orders").array([&] {
      for (const auto& order : found.orders) write_order(out, order);
    });
  });
  return http::json_response(200, out.take());
}

using Handler = Result<http::Response> (*)(Desk&, const registry::Edge&, const http::Request&);

void add(const std::shared_ptr<Desk>& desk, http::Router& router, const std::string& pattern, Handler handler) {
  router.add(
      edge_route(desk->context, "POST", pattern,
                 [desk, handler](const registry::Edge& edge, const http::Request& request) -> Result<http::Response> {
                   MUSTER_TRY_VOID(refuse_query(request));
                   return handler(*desk, edge, request);
                 }));
}

}  // namespace

void add_edge_sessions(ApiContext& context, http::Router& router) {
  const auto desk = std::make_shared<Desk>(context);
  add(desk, router, "/v1/edge/sessions", sessions);
  add(desk, router, "/v1/edge/orders", orders);
}

}  // namespace muster::api
