// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

void write_event(JsonWriter& out, const registry::AuditRow& row) {
  out.object([&] {
    out.key("sequence");
    row.sequence ? out.value(*row.sequence) : out.null();  // null: not chained yet
    out.field("at", to_rfc3339_micros(row.at))
        .nullable("tenant", row.tenant_name)
        .field("actor", row.actor)
        .field("action", row.action)
        .field("target", row.target);
    if (!row.target_name.empty()) out.field("target_name", row.target_name);
    out.field("outcome", to_string(row.outcome));
    out.key("detail").object([&] {
      for (const auto& [name, value] : row.detail) out.field(name, value);
    });
  });
}

// A tenant's caller sees its own tenant's events whatever it asks for; another tenant is not there for it.
Result<std::optional<TenantId>> tenant_to_show(const Call& call) {
  const auto& own = call.who.caller.tenant;
  const auto asked = call.query("tenant");
  const Error not_found{ErrorCode::kNotFound, registry::kTenantNotFound, ""};
  if (own) {
    if (asked && *asked != call.who.tenant_name) return not_found;
    return own;
  }
  if (!asked) return std::optional<TenantId>{};
  const auto name = TenantName::parse(*asked);
  if (!name.ok()) return not_found;
  MUSTER_TRY(const auto tenant,
             db::run_in_transaction(call.context.pool, db::Scope::system(),
                                    [&](db::Transaction& tx) { return registry::get_tenant(tx, *name); }));
  return std::optional{tenant.id};
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  registry::AuditFilter filter;
  MUSTER_TRY(filter.tenant_id, tenant_to_show(call));
  // Row security is the second wall: a tenant's caller reads in its tenant's scope.
  const auto& own = call.who.caller.tenant;
  const db::Scope scope = own ? db::Scope::of_tenant(*own) : db::Scope::system();
  MUSTER_TRY(const auto events, db::run_in_transaction(call.context.pool, scope, [&](db::Transaction& tx) {
               return registry::list_audit_events(tx, filter, page);
             }));
  return page_response(events, write_event);
}

}  // namespace

void add_audit(Operations& operations) {
  operations.push_back({"GET", "/v1/audit", Action::kAuditRead, list, Replay::kNone, {"tenant", "limit", "cursor"}});
}

}  // namespace muster::api
