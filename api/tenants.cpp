// SPDX-License-Identifier: Apache-2.0
#include "api/reasons.h"
#include "api/routes.h"
#include "registry/policy_store.h"
#include "registry/tenant_limits_store.h"

namespace muster::api {
namespace {

// Devices deleted while the caller waits; housekeeping goes on with what is left.
constexpr std::size_t kDeletedAtOnce = 500;

JsonWriter& write_fields(JsonWriter& out, const registry::Tenant& tenant) {
  return out.field("id", tenant.id.text())
      .field("name", tenant.name)
      .field("status", to_string(tenant.status))
      .nullable("default_policy", tenant.default_policy_name)
      .field("created_at", to_rfc3339(tenant.created_at));
}

// In lists, without limits.
void write_tenant(JsonWriter& out, const registry::Tenant& tenant) {
  out.object([&] { write_fields(out, tenant); });
}

http::Response tenant_response(int status, const registry::Tenant& tenant, const TenantLimits& limits) {
  JsonWriter out;
  out.object([&] { write_fields(out, tenant).key("limits").raw(to_json_text(limits)); });
  return http::json_response(status, out.take());
}

std::string target_of(const registry::Tenant& tenant) { return "tenant:" + tenant.id.text(); }

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name_text = body.required_string("name");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const TenantName name, TenantName::parse(name_text));
  MUSTER_TRY(const registry::Tenant tenant,
             db::run_in_transaction(
                 call.context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<registry::Tenant> {
                   MUSTER_TRY(auto made, registry::create_tenant(tx, name));
                   auto event = call.event("tenant.create", target_of(made), made.name);
                   event.tenant_id = made.id;
                   MUSTER_TRY_VOID(append_event(tx, event));
                   MUSTER_TRY_VOID(call.context.authority.make_tenant_issuer(tx, call.who.caller, made.id));
                   return made;
                 }));
  http::Response response = tenant_response(201, tenant, {});
  response.headers.emplace_back("location", "/v1/tenants/" + tenant.name);
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto tenants, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_tenants(tx, page);
             }));
  return page_response(tenants, write_tenant);
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const TenantLimits limits,
             db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::get_tenant_limits(tx, call.tenant().id);
             }));
  return tenant_response(200, call.tenant(), limits);
}

Result<registry::TenantStatus> parse_status(const std::string& text) {
  if (text == "active") return registry::TenantStatus::kActive;
  if (text == "suspended") return registry::TenantStatus::kSuspended;
  return Error{ErrorCode::kInvalidArgument, reasons::kFieldInvalid, "\"status\": expected active or suspended"};
}

Result<void> set_status(Call& call, db::Transaction& tx, registry::TenantStatus status) {
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  MUSTER_TRY_VOID(registry::set_tenant_status(tx, call.tenant().id, status));
  auto event = call.event("tenant.set_status", target_of(call.tenant()), call.tenant().name);
  event.detail.emplace_back(registry::AuditField::kStatus, to_string(status));
  return append_event(tx, event);
}

Result<void> set_default_policy(Call& call, db::Transaction& tx, const std::optional<std::string>& name) {
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(call.tenant().id)));
  PolicyId policy;
  if (name) {
    MUSTER_TRY(const auto document, registry::get_policy(tx, call.tenant().id, *name));
    policy = document.id;
  }
  MUSTER_TRY_VOID(registry::set_tenant_default_policy(tx, call.tenant().id, policy));
  auto event = call.event("tenant.set_default_policy", target_of(call.tenant()), call.tenant().name);
  event.detail.emplace_back(registry::AuditField::kPolicy, name.value_or(""));
  return append_event(tx, event);
}

Limits read_limits(JsonReader& body, const std::string& part, LimitScope scope) {
  Limits limits;
  auto object = body.optional_object(part);
  if (!object) return limits;
  for (const LimitField& field : limit_fields()) {
    if (scope == LimitScope::kDevice ? !field.of_device : !field.of_tenant) continue;
    const auto value = object->optional_integer(std::string(field.name));
    if (!value) continue;
    const auto set = set_limit(limits, scope, field.name, *value);
    if (!set.ok()) object->fail(std::string(field.name), set.error().detail);
  }
  if (const auto finished = object->finish(); !finished.ok()) body.fail(part, finished.error().detail);
  if (const auto checked = check_limits(limits, scope); !checked.ok()) body.fail(part, checked.error().detail);
  return limits;
}

std::optional<TenantLimits> read_tenant_limits(JsonReader& body) {
  auto object = body.optional_object("limits");
  if (!object) return std::nullopt;
  TenantLimits limits{read_limits(*object, "total", LimitScope::kTenant),
                      read_limits(*object, "device", LimitScope::kDevice)};
  if (const auto finished = object->finish(); !finished.ok()) body.fail("limits", finished.error().detail);
  return limits;
}

Result<void> set_limits(Call& call, db::Transaction& tx, const TenantLimits& limits) {
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  MUSTER_TRY_VOID(registry::set_tenant_limits(tx, call.tenant().id, limits));
  auto event = call.event("tenant.set_limits", target_of(call.tenant()), call.tenant().name);
  event.detail.emplace_back(registry::AuditField::kDetail, to_json_text(limits));
  return append_event(tx, event);
}

Result<http::Response> update(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const auto status_text = body.optional_string("status");
  const auto policy = body.nullable_string("default_policy");
  const auto limits = read_tenant_limits(body);
  MUSTER_TRY_VOID(body.finish());
  // Suspending is the platform's decision, which a suspended tenant must not be able to undo; so are a tenant's limits.
  if ((status_text || limits) && !role_allows(call.who.caller.role, Action::kTenantSetStatus)) {
    return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "status and limits are the platform's to set"};
  }
  std::optional<registry::TenantStatus> status;
  if (status_text) {
    MUSTER_TRY(status, parse_status(*status_text));
  }
  TenantLimits in_force;
  MUSTER_TRY(const registry::Tenant tenant,
             db::run_in_transaction(call.context.pool, db::Scope::system(),
                                    [&](db::Transaction& tx) -> Result<registry::Tenant> {
                                      if (status) MUSTER_TRY_VOID(set_status(call, tx, *status));
                                      if (limits) MUSTER_TRY_VOID(set_limits(call, tx, *limits));
                                      if (policy) MUSTER_TRY_VOID(set_default_policy(call, tx, *policy));
                                      MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
                                      MUSTER_TRY(in_force, registry::get_tenant_limits(tx, call.tenant().id));
                                      return registry::get_tenant_by_id(tx, call.tenant().id);
                                    }));
  return tenant_response(200, tenant, in_force);
}

Result<http::Response> remove(Call& call) {
  auto begun = db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::begin_tenant_deletion(tx, call.tenant().id));
    return append_event(tx, call.event("tenant.delete", target_of(call.tenant()), call.tenant().name));
  });
  if (!begun.ok()) return std::move(begun).error();
  MUSTER_TRY(const bool finished,
             db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::finish_tenant_deletion(tx, call.tenant().id, kDeletedAtOnce, call.now());
             }));
  http::Response response;
  response.status = finished ? 204 : 202;
  return response;
}

}  // namespace

void add_tenants(Operations& operations) {
  operations.push_back({"POST", "/v1/tenants", Action::kTenantCreate, create, Replay::kAnswer});
  operations.push_back({"GET", "/v1/tenants", Action::kTenantList, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", "/v1/tenants/{tenant}", Action::kTenantRead, get});
  operations.push_back({"PATCH", "/v1/tenants/{tenant}", Action::kTenantSetPolicy, update, Replay::kAnswer});
  operations.push_back({"DELETE", "/v1/tenants/{tenant}", Action::kTenantDelete, remove});
}

}  // namespace muster::api
