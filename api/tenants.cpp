// SPDX-License-Identifier: Apache-2.0
#include "api/reasons.h"
#include "api/routes.h"
#include "registry/policy_store.h"

namespace muster::api {
namespace {

// Devices deleted while the caller waits; housekeeping goes on with what is left.
constexpr std::size_t kDeletedAtOnce = 500;

void write_tenant(JsonWriter& out, const registry::Tenant& tenant) {
  out.object([&] {
    out.field("id", tenant.id.text())
        .field("name", tenant.name)
        .field("status", to_string(tenant.status))
        .nullable("default_policy", tenant.default_policy_name)
        .field("created_at", to_rfc3339(tenant.created_at));
  });
}

http::Response tenant_response(int status, const registry::Tenant& tenant) {
  JsonWriter out;
  write_tenant(out, tenant);
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
  http::Response response = tenant_response(201, tenant);
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

Result<http::Response> get(Call& call) { return tenant_response(200, call.tenant()); }

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

Result<http::Response> update(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const auto status_text = body.optional_string("status");
  const auto policy = body.nullable_string("default_policy");
  MUSTER_TRY_VOID(body.finish());
  std::optional<registry::TenantStatus> status;
  if (status_text) {
    // Suspending is the platform's decision; a suspended tenant must not be able to undo it.
    if (!role_allows(call.who.caller.role, Action::kTenantSetStatus)) {
      return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "the status is the platform's to set"};
    }
    MUSTER_TRY(status, parse_status(*status_text));
  }
  MUSTER_TRY(const registry::Tenant tenant,
             db::run_in_transaction(call.context.pool, db::Scope::system(),
                                    [&](db::Transaction& tx) -> Result<registry::Tenant> {
                                      if (status) MUSTER_TRY_VOID(set_status(call, tx, *status));
                                      if (policy) MUSTER_TRY_VOID(set_default_policy(call, tx, *policy));
                                      MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
                                      return registry::get_tenant_by_id(tx, call.tenant().id);
                                    }));
  return tenant_response(200, tenant);
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
