// SPDX-License-Identifier: Apache-2.0
#include "registry/edge_store.h"

#include <algorithm>

#include "api/reasons.h"
#include "api/routes.h"
#include "core/log.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxEdgeTenants = 1'000;
constexpr std::chrono::hours kJoinTokenLife{24};

void write_edge(JsonWriter& out, const registry::Edge& edge) {
  out.object([&] {
    out.field("id", edge.id.text()).field("name", edge.name).field("status", to_string(edge.status));
    out.key("tenants").array([&] {
      for (const std::string& name : edge.tenant_names) out.value(name);
    });
    out.key("broker_names").array([&] {
      for (const std::string& name : edge.broker_names) out.value(name);
    });
    out.field("created_at", to_rfc3339(edge.created_at))
        .nullable("joined_at", edge.joined_at ? to_rfc3339(*edge.joined_at) : "")
        .field("acknowledged_number", edge.acknowledged_number)
        .nullable("acknowledged_at", edge.acknowledged_at ? to_rfc3339(*edge.acknowledged_at) : "");
  });
}

Result<std::vector<TenantId>> find_tenants(db::Transaction& tx, const std::vector<std::string>& names) {
  std::vector<TenantId> ids;
  for (const std::string& text : names) {
    MUSTER_TRY(const TenantName name, TenantName::parse(text));
    MUSTER_TRY(const auto tenant, registry::get_tenant(tx, name));
    ids.push_back(tenant.id);
  }
  return ids;
}

struct CreateRequest {
  registry::NewEdge edge;
  std::vector<std::string> tenants;  // names; empty: all
};

Result<CreateRequest> read_create(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  CreateRequest request;
  request.edge.name = body.required_string("name");
  const auto tenants = body.optional_strings("tenants", kMaxEdgeTenants);
  // An empty list would mean "all" to the registry, which is not what it says.
  if (tenants && tenants->empty()) body.fail("tenants", "at least one name, or no such field for all tenants");
  const auto broker_names = body.optional_strings("broker_names", enroll::kMaxServerNames);
  request.tenants = tenants.value_or(std::vector<std::string>{});
  request.edge.broker_names = broker_names.value_or(std::vector<std::string>{});
  const auto& names = request.edge.broker_names;
  if (!std::all_of(names.begin(), names.end(), enroll::is_server_name)) {
    body.fail("broker_names", "DNS names in lower case and IP addresses");
  }
  MUSTER_TRY_VOID(body.finish());
  return request;
}

registry::AuditEvent create_event(const Call& call, const registry::Edge& edge) {
  auto event = call.event("edge.create", "edge:" + edge.id.text(), edge.name);
  std::string names;
  for (const std::string& name : edge.broker_names) names += (names.empty() ? "" : " ") + name;
  if (!names.empty()) event.detail.emplace_back(registry::AuditField::kName, names);
  return event;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(CreateRequest wanted, read_create(call));
  registry::NewEdge& request = wanted.edge;
  const FreshToken join = make_token();
  request.join_token_sha256 = join.sha256;
  request.join_token_expires_at = call.now() + kJoinTokenLife;
  MUSTER_TRY(
      const registry::Edge edge,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Edge> {
        MUSTER_TRY(request.tenants, find_tenants(tx, wanted.tenants));
        MUSTER_TRY(auto made, registry::create_edge(tx, request));
        MUSTER_TRY_VOID(append_event(tx, create_event(call, made)));
        return made;
      }));
  JsonWriter out;
  out.object([&] {
    out.field("id", edge.id.text())
        .field("name", edge.name)
        .field("join_token", join.text)
        .field("join_token_expires_at", to_rfc3339(request.join_token_expires_at));
  });
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location", "/v1/edges/" + edge.name);
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto edges, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_edges(tx, page);
             }));
  return page_response(edges, write_edge);
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const auto edge, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_edge(tx, call.request.parameter("edge"));
             }));
  JsonWriter out;
  write_edge(out, edge);
  return http::json_response(200, out.take());
}

// Two transactions: only when the first has taken the login away can the second end every session. If the second fails
// the role can do nothing any more, and housekeeping drops it.
Result<http::Response> remove(Call& call) {
  EdgeId id;
  auto removed = db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto edge, registry::get_edge(tx, call.request.parameter("edge")));
    id = edge.id;
    MUSTER_TRY_VOID(registry::remove_edge(tx, edge.id, call.now()));
    return append_event(tx, call.event("edge.remove", "edge:" + edge.id.text(), edge.name));
  });
  if (!removed.ok()) return std::move(removed).error();
  call.context.authority.note_revocation();
  const auto dropped = db::run_in_transaction(call.context.pool, call.scope(),
                                              [&](db::Transaction& tx) { return registry::drop_edge_role(tx, id); });
  if (!dropped.ok()) {
    Log{"api"}.warning("role of a removed edge not dropped yet",
                       {{"edge", id.text()}, {"error", to_log_text(dropped.error())}});
  }
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_edges(Operations& operations) {
  operations.push_back({"POST", "/v1/edges", Action::kEdgeWrite, create, Replay::kRefuse});
  operations.push_back({"GET", "/v1/edges", Action::kEdgeRead, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", "/v1/edges/{edge}", Action::kEdgeRead, get});
  operations.push_back({"DELETE", "/v1/edges/{edge}", Action::kEdgeWrite, remove});
}

}  // namespace muster::api
