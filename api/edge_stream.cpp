// SPDX-License-Identifier: Apache-2.0
//
// What edges follow: the whole state, then changes by long poll. Served on its own listener with its own threads.
#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <tuple>

#include "api/change_waiter.h"
#include "api/edge_json.h"
#include "api/edge_route.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "api/shared_changes.h"
#include "api/shared_snapshots.h"
#include "core/encoding.h"
#include "core/log.h"
#include "core/no_throw.h"
#include "edge/folder_files.h"
#include "enroll/heartbeat_signer.h"
#include "enroll/self_registration.h"
#include "registry/edge_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::string_view kLines = "application/x-ndjson";
constexpr std::int64_t kMaxWaitMs = 30'000;
constexpr std::size_t kMaxEvents = 1'000;
constexpr std::size_t kMaxClaimedChain = 9;
constexpr std::chrono::seconds kAcknowledgeEvery{30};

const Log& log() {
  static const Log instance{"api"};
  return instance;
}

// DigestCache bounds what comparing costs, since a walk through a large fleet takes long. While nothing changed the
// last digest is the newest; where something did, it is still the digest of its own position, which an edge compares
// with what it held there, and a new walk begins only kRestPerWalk times as long after the last as that took. However
// many edges ask, one walk runs for the same tenants. Thread-safe.
class DigestCache {
 public:
  Result<std::string> find(const ApiContext& context, const std::vector<TenantId>& tenants) {
    MUSTER_TRY(const auto now, db::run_in_transaction(context.pool, db::Scope::system(), [](db::Transaction& tx) {
                 return registry::current_position(tx);
               }));
    std::unique_lock lock{mutex_};
    const std::shared_ptr<Entry> entry = entry_of(tenants);
    while (!serves(*entry, now)) {
      if (entry->walking) {
        walked_.wait(lock);
        continue;
      }
      MUSTER_TRY_VOID(walk(context, tenants, *entry, lock));
    }
    return entry->answer;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMaxEntries = 1'000;
  static constexpr int kRestPerWalk = 10;
  static constexpr std::chrono::milliseconds kCheapWalk{250};  // after which no rest is needed
  // Also where nothing changes certificates expire, and whoever loads everything then does not get them.
  static constexpr std::chrono::seconds kLongestUnchanged{60};
  struct Entry {
    registry::ChangePosition position;
    std::string answer;  // empty: none yet
    Clock::time_point computed{};
    Clock::time_point due{};
    bool walking = false;
  };

  static bool serves(const Entry& entry, const registry::ChangePosition& now) {
    if (entry.answer.empty() || entry.position.epoch != now.epoch) return false;
    const auto time = Clock::now();
    return time < entry.due || (entry.position == now && time < entry.computed + kLongestUnchanged);
  }

  std::shared_ptr<Entry> entry_of(const std::vector<TenantId>& tenants) {
    if (entries_.size() >= kMaxEntries && !entries_.contains(tenants)) {
      std::erase_if(entries_, [](const auto& one) { return one.second.use_count() == 1; });  // nobody waits for it
    }
    auto& entry = entries_[tenants];
    if (!entry) entry = std::make_shared<Entry>();
    return entry;
  }

  // Without the lock; whoever else wants the same waits.
  Result<void> walk(const ApiContext& context, const std::vector<TenantId>& tenants, Entry& entry,
                    std::unique_lock<std::mutex>& lock) {
    entry.walking = true;
    lock.unlock();
    const auto begun = Clock::now();
    auto computed = no_throw([&] { return compute(context, tenants); });
    const auto ended = Clock::now();
    lock.lock();
    entry.walking = false;
    walked_.notify_all();
    if (!computed.ok()) return std::move(computed).error();
    std::tie(entry.position, entry.answer) = std::move(computed).value();
    entry.computed = ended;
    entry.due = ended - begun < kCheapWalk ? ended : ended + (ended - begun) * kRestPerWalk;
    return {};
  }

  static Result<std::pair<registry::ChangePosition, std::string>> compute(const ApiContext& context,
                                                                          const std::vector<TenantId>& tenants) {
    StateDigest digest;
    const auto begin = [&]() -> Result<void> {
      digest = StateDigest{};
      return {};
    };
    MUSTER_TRY(const auto position,
               walk_state(context, tenants, begin, [&](const registry::EntityFacts& facts) -> Result<void> {
                 digest.add(facts);
                 return {};
               }));
    JsonWriter out;
    out.object([&] {
      out.field("epoch", to_uuid_text(position.epoch)).field("number", position.number).field("digest", digest.hex());
    });
    return std::pair{position, out.take()};
  }

  std::mutex mutex_;
  std::condition_variable walked_;
  std::map<std::vector<TenantId>, std::shared_ptr<Entry>> entries_;  // guarded by mutex_, the entries too
};

// What the requests of all edges share.
struct Shared {
  explicit Shared(ApiContext& context) : heartbeats(context.authority), snapshots(context.metrics) {}
  enroll::HeartbeatSigner heartbeats;
  SharedChanges changes;
  SharedSnapshots snapshots;
  DigestCache digests;
};

// EdgeCall is one request of an edge whose certificate is good for it now.
struct EdgeCall {
  ApiContext& context;
  Shared& shared;
  const http::Request& request;
  registry::Edge edge;
};

using CallHandler = std::function<Result<http::Response>(const EdgeCall&)>;

Error bad_query(std::string detail) { return {ErrorCode::kInvalidArgument, reasons::kQueryInvalid, std::move(detail)}; }

// Revocations reach an edge also where the server's key for heartbeats cannot be used.
HeartbeatFacts heartbeat(const EdgeCall& call, const registry::ChangePosition& position, UtcTime as_of) {
  HeartbeatFacts facts{as_of, {}};
  const edge::StreamPosition signed_position{position.epoch, position.number};
  auto signature = call.shared.heartbeats.sign(edge::heartbeat_message(call.edge.id, signed_position, facts.issued_at));
  if (signature.ok()) {
    facts.signature = std::move(*signature);
  } else {
    log().error("heartbeat not signed: brokers take their state for older and older",
                {{"edge", call.edge.name}, {"error", to_log_text(signature.error())}});
  }
  return facts;
}

Result<http::Response> snapshot(const EdgeCall& call) {
  MUSTER_TRY_VOID(refuse_query(call.request));
  MUSTER_TRY(const auto state, call.shared.snapshots.take(call.context, call.edge.tenants));
  // The edge may have been removed while it waited: then it learns nothing more.
  MUSTER_TRY_VOID(authenticate_edge(call.context, call.request));
  http::Response response;
  response.content_type = kLines;
  response.stream = [state, begin = snapshot_begin(state->position, heartbeat(call, state->position, state->as_of)) +
                                    "\n"](http::BodyWriter& writer) {
    return writer.write(begin) && writer.write(state->lines);
  };
  return response;
}

Result<registry::ChangePosition> parse_since(const http::Request& request) {
  const auto found = request.query.find("since");
  const std::string text = found == request.query.end() ? "" : found->second;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return bad_query("since: epoch:number");
  registry::ChangePosition since;
  const auto epoch = parse_raw_id(std::string_view{text}.substr(0, colon));
  const char* first = text.data() + colon + 1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, since.number);
  const bool fits = since.number <= static_cast<std::uint64_t>(INT64_MAX);
  if (!epoch.ok() || error != std::errc{} || end != last || !fits) return bad_query("since: epoch:number");
  since.epoch = *epoch;
  return since;
}

Result<std::chrono::milliseconds> parse_wait(const http::Request& request) {
  const auto found = request.query.find("wait_ms");
  if (found == request.query.end()) return std::chrono::milliseconds{0};
  std::int64_t value = -1;
  const char* last = found->second.data() + found->second.size();
  const auto [end, error] = std::from_chars(found->second.data(), last, value);
  if (error != std::errc{} || end != last || value < 0 || value > kMaxWaitMs) return bad_query("wait_ms: 0 to 30000");
  return std::chrono::milliseconds{value};
}

// The edge says how far it has come by asking for what follows.
Result<void> acknowledge(const EdgeCall& call, const registry::ChangePosition& since) {
  const UtcTime now = call.context.clock.now();
  const auto& edge = call.edge;
  const bool same = edge.acknowledged_epoch == since.epoch && edge.acknowledged_number == since.number;
  if (same && edge.acknowledged_at && now - *edge.acknowledged_at < kAcknowledgeEvery) return {};
  return db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) {
    return registry::acknowledge_changes(tx, edge.id, since.epoch, since.number, now);
  });
}

Result<http::Response> changes(const EdgeCall& call) {
  for (const auto& [name, value] : call.request.query) {
    if (name != "since" && name != "wait_ms") return Error{ErrorCode::kInvalidArgument, reasons::kQueryUnknown, ""};
  }
  MUSTER_TRY(const registry::ChangePosition since, parse_since(call.request));
  MUSTER_TRY(const std::chrono::milliseconds wait, parse_wait(call.request));
  const auto deadline = std::chrono::steady_clock::now() + wait;
  std::uint64_t generation = call.context.changes.generation();
  const auto load = [&] { return call.shared.changes.load(call.context, call.edge.tenants, since, generation); };
  MUSTER_TRY(auto found, load());
  MUSTER_TRY_VOID(acknowledge(call, since));
  while (found->to.number == since.number && std::chrono::steady_clock::now() < deadline && !call.context.stopping) {
    call.context.changes.wait(generation, deadline);
    generation = call.context.changes.generation();
    MUSTER_TRY(found, load());
  }
  // The edge may have been removed while it waited: then it learns nothing more.
  MUSTER_TRY_VOID(authenticate_edge(call.context, call.request));
  http::Response response;
  response.content_type = kLines;
  response.body = changes_begin(since, found->to.number, heartbeat(call, found->to, found->as_of)) + "\n";
  response.body.append(found->lines);
  response.body.append(stream_end(found->count, "")).push_back('\n');
  return response;
}

Result<http::Response> digest(const EdgeCall& call) {
  MUSTER_TRY_VOID(refuse_query(call.request));
  MUSTER_TRY(auto answer, call.shared.digests.find(call.context, call.edge.tenants));
  return http::json_response(200, std::move(answer));
}

Result<std::vector<registry::EdgeEvent>> read_events(const http::Request& request) {
  MUSTER_TRY(const std::string_view text, request.body.view());
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  std::vector<registry::EdgeEvent> events;
  for (JsonReader& entry : body.required_objects("events", kMaxEvents)) {
    registry::EdgeEvent event;
    const auto id = parse_raw_id(entry.required_string("id"));
    const auto at = parse_rfc3339(entry.required_string("at"));
    event.type = entry.required_string("type");
    event.principal = entry.optional_string("principal").value_or("");
    event.detail = entry.optional_string("detail").value_or("");
    if (!id.ok()) entry.fail("id", "a UUID in lower case");
    if (!at.ok()) entry.fail("at", "an RFC 3339 time");
    if (event.type.empty() || event.type.size() > 64) entry.fail("type", "1 to 64 octets");
    if (event.principal.size() > 256) entry.fail("principal", "at most 256 octets");
    if (event.detail.size() > 1'024) entry.fail("detail", "at most 1024 octets");
    MUSTER_TRY_VOID(entry.finish());
    event.id = *id;
    event.at = std::chrono::duration_cast<std::chrono::microseconds>(at->time_since_epoch()).count();
    events.push_back(std::move(event));
  }
  MUSTER_TRY_VOID(body.finish());
  return events;
}

// Events stand in the platform's audit under the edge that sent them: an edge writes no tenant's history.
registry::AuditEvent audit_of(const EdgeCall& call, const registry::EdgeEvent& event) {
  registry::AuditEvent audit;
  audit.at = event.at;
  audit.actor = "edge:" + call.edge.id.text();
  audit.action = "edge.event";
  audit.target = "edge:" + call.edge.id.text();
  audit.target_name = call.edge.name;
  audit.detail.emplace_back(registry::AuditField::kReason, event.type);
  if (!event.principal.empty()) audit.detail.emplace_back(registry::AuditField::kName, event.principal);
  if (!event.detail.empty()) audit.detail.emplace_back(registry::AuditField::kDetail, event.detail);
  return audit;
}

Result<http::Response> events(const EdgeCall& call) {
  MUSTER_TRY_VOID(refuse_query(call.request));
  MUSTER_TRY(const auto received, read_events(call.request));
  MUSTER_TRY_VOID(
      db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY(const auto fresh, registry::record_edge_events(tx, call.edge.id, received));
        std::vector<registry::AuditEvent> audit;
        for (const auto& event : received) {
          if (std::find(fresh.begin(), fresh.end(), event.id) != fresh.end()) audit.push_back(audit_of(call, event));
        }
        return registry::append_audit_events(tx, audit);
      }));
  http::Response response;
  response.status = 204;
  return response;
}

Result<enroll::RegistrationClaim> read_claim(const http::Request& request) {
  MUSTER_TRY(const std::string_view text, request.body.view());
  MUSTER_TRY(JsonReader body, JsonReader::parse(text));
  enroll::RegistrationClaim claim;
  const auto tenant = TenantId::parse(body.required_string("tenant_id"));
  const auto anchor = IssuerId::parse(body.required_string("anchor_id"));
  if (!tenant.ok()) body.fail("tenant_id", "a UUID in lower case");
  if (!anchor.ok()) body.fail("anchor_id", "a UUID in lower case");
  const auto chain = body.optional_strings("chain", kMaxClaimedChain).value_or(std::vector<std::string>{});
  for (const std::string& item : chain) {
    auto der = from_base64(item);
    if (der.ok()) claim.chain.push_back(std::move(der).value());
  }
  if (claim.chain.empty() || claim.chain.size() != chain.size()) body.fail("chain", "1 to 9 certificates, base64");
  MUSTER_TRY_VOID(body.finish());
  claim.tenant = *tenant;
  claim.anchor = *anchor;
  return claim;
}

// What follows from the chain is the server's decision alone; the answer is for the edge's log.
Result<http::Response> registrations(const EdgeCall& call) {
  MUSTER_TRY_VOID(refuse_query(call.request));
  MUSTER_TRY(const auto claim, read_claim(call.request));
  enroll::Caller caller;
  caller.role = enroll::CallerRole::kEdge;
  caller.edge = call.edge.id;
  caller.request_id = call.request.request_id;
  const auto device = enroll::DeviceRegistrar{call.context.authority}.register_device(caller, call.edge.tenants, claim);
  if (!device.ok() && http_status(device.error()) >= 500) return device.error();
  JsonWriter out;
  out.object([&] {
    out.field("status", device.ok() ? "registered" : "refused");
    if (device.ok()) out.field("device", *device);
    if (!device.ok()) out.field("reason", device.error().reason);
  });
  return http::json_response(200, out.take());
}

void add(ApiContext& context, const std::shared_ptr<Shared>& shared, http::Router& router, const std::string& method,
         const std::string& pattern, CallHandler handler) {
  router.add(
      edge_route(context, method, pattern,
                 [&context, shared, handler = std::move(handler)](registry::Edge edge, const http::Request& request) {
                   return handler(EdgeCall{context, *shared, request, std::move(edge)});
                 }));
}

}  // namespace

void add_edge_stream(ApiContext& context, http::Router& router) {
  const auto shared = std::make_shared<Shared>(context);
  add(context, shared, router, "GET", "/v1/edge/snapshot", snapshot);
  add(context, shared, router, "GET", "/v1/edge/changes", changes);
  add(context, shared, router, "GET", "/v1/edge/digest", digest);
  add(context, shared, router, "POST", "/v1/edge/events", events);
  add(context, shared, router, "POST", "/v1/edge/registrations", registrations);
}

}  // namespace muster::api
