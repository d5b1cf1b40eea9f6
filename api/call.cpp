// SPDX-License-Identifier: Apache-2.0
#include "api/call.h"

#include <algorithm>
#include <charconv>

#include "api/idempotency.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "core/log.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

const Log& log() {
  static const Log instance{"api"};
  return instance;
}

Error tenant_not_found() { return {ErrorCode::kNotFound, registry::kTenantNotFound, ""}; }

std::optional<TenantName> tenant_name_of_path(const http::Request& request) {
  const auto text = request.parameters.find("tenant");
  if (text == request.parameters.end()) return std::nullopt;
  auto name = TenantName::parse(text->second);
  return name.ok() ? std::optional(std::move(*name)) : std::nullopt;
}

// The tenant that the path names, as far as this caller can see it: another tenant's answer is the same as for a name
// that nobody has.
Result<registry::Tenant> find_tenant_of_path(const Call& call) {
  const auto name = tenant_name_of_path(call.request);
  if (!name) return tenant_not_found();
  const auto& own = call.who.caller.tenant;
  if (own && call.who.tenant_name != name->text()) return tenant_not_found();
  if (!call.who.tenant_of_path) return tenant_not_found();
  registry::Tenant tenant = *call.who.tenant_of_path;
  if (own && tenant.id != *own) return tenant_not_found();
  return tenant;
}

// A refusal of somebody we know is part of the tenant's history; failing to write it must not change the answer.
void audit_refusal(const Call& call, const Operation& operation, std::string_view reason) {
  registry::AuditEvent event = call.event("request.refused", "path:" + operation.method + " " + operation.pattern, "");
  event.tenant_id = call.who.caller.tenant.value_or(TenantId{});
  event.outcome = registry::AuditOutcome::kRefused;
  event.detail.emplace_back(registry::AuditField::kReason, reason);
  const db::Scope scope = event.tenant_id.is_nil() ? db::Scope::system() : db::Scope::of_tenant(event.tenant_id);
  auto written = db::run_in_transaction(call.context.pool, scope,
                                        [&](db::Transaction& tx) { return registry::append_audit_event(tx, event); });
  if (!written.ok()) log().error("refusal not audited", {{"error", to_log_text(written.error())}});
}

Result<void> check_access(Call& call, const Operation& operation) {
  const bool of_tenant = operation.pattern.find("{tenant}") != std::string::npos;
  if (of_tenant) {
    auto tenant = find_tenant_of_path(call);
    if (!tenant.ok()) {
      if (call.who.caller.tenant) audit_refusal(call, operation, tenant.error().reason);
      return std::move(tenant).error();
    }
    call.tenant_of_path = std::move(*tenant);
  }
  const auto target = of_tenant ? std::optional{call.tenant().id} : std::nullopt;
  switch (authorise(call.who.caller, operation.action, target)) {
    case Decision::kAllow: return {};
    case Decision::kHide: audit_refusal(call, operation, registry::kTenantNotFound); return tenant_not_found();
    case Decision::kForbid: break;
  }
  audit_refusal(call, operation, reasons::kForbidden);
  return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "not in this role"};
}

Result<void> check_form(const http::Request& request, const Operation& operation) {
  for (const auto& [name, value] : request.query) {
    if (std::find(operation.query.begin(), operation.query.end(), name) == operation.query.end()) {
      return Error{ErrorCode::kInvalidArgument, reasons::kQueryUnknown, "\"" + name.substr(0, 64) + "\""};
    }
  }
  const bool takes_body = operation.method == "POST" || operation.method == "PUT" || operation.method == "PATCH";
  if (!takes_body && request.body.size() > 0) {
    return Error{ErrorCode::kInvalidArgument, reasons::kBodyUnexpected, "this method takes no body"};
  }
  return {};
}

Result<http::Response> run(ApiContext& context, const http::Request& request, const Operation& operation) {
  MUSTER_TRY(Authenticated who, authenticate(context, request, {.tenant_of_path = tenant_name_of_path(request)}));
  Call call{context, request, std::move(who), std::nullopt};
  MUSTER_TRY_VOID(check_access(call, operation));
  MUSTER_TRY_VOID(check_form(request, operation));
  if (operation.replay == Replay::kNone || !request.header("idempotency-key")) return operation.handle(call);
  return run_idempotent(call, operation);
}

// Before a large body is read: somebody who may send it must be asking.
std::optional<http::Response> admit(ApiContext& context, const http::Request& request, const Operation& operation) {
  auto who = authenticate(context, request, {.tenant_of_path = tenant_name_of_path(request)});
  if (!who.ok()) return to_problem(who.error(), request.request_id);
  Call call{context, request, std::move(*who), std::nullopt};
  const auto access = check_access(call, operation);
  if (!access.ok()) return to_problem(access.error(), request.request_id);
  return std::nullopt;
}

http::Response answer(ApiContext& context, const http::Request& request, const Operation& operation) {
  auto response = run(context, request, operation);
  if (response.ok()) {
    response->headers.emplace_back("cache-control", "no-store");
    return std::move(*response);
  }
  const Error& error = response.error();
  const int status = http_status(error);
  if (status >= 500) {
    log().error("request failed", {{"request_id", request.request_id},
                                   {"method", operation.method},
                                   {"route", operation.pattern},
                                   {"error", to_log_text(error)}});
  }
  return to_problem(error, request.request_id);
}

}  // namespace

db::Scope Call::scope() const {
  return tenant_of_path ? db::Scope::of_tenant(tenant_of_path->id) : db::Scope::system();
}

Result<JsonReader> Call::json() const {
  MUSTER_TRY(const std::string_view text, request.body.view());
  return JsonReader::parse(text);
}

std::optional<std::string> Call::query(std::string_view name) const {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return std::nullopt;
  return found->second;
}

Result<std::int64_t> Call::query_integer(std::string_view name, std::int64_t fallback, std::int64_t least,
                                         std::int64_t most) const {
  const auto text = query(name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < least || value > most) {
    return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid,
                 std::string{name} + ": " + std::to_string(least) + " to " + std::to_string(most)};
  }
  return value;
}

Result<registry::PageRequest> Call::page() const {
  registry::PageRequest page;
  MUSTER_TRY(const std::int64_t limit, query_integer("limit", 100, 1, registry::kMaxPageSize));
  page.limit = static_cast<std::size_t>(limit);
  page.cursor = query("cursor").value_or("");
  return page;
}

registry::AuditEvent Call::event(std::string action, std::string target, std::string target_name) const {
  registry::AuditEvent event;
  if (tenant_of_path) event.tenant_id = tenant_of_path->id;
  event.at = context.clock.now_micros();
  event.actor = who.caller.audit_name();
  event.action = std::move(action);
  event.target = std::move(target);
  event.target_name = std::move(target_name);
  event.detail.emplace_back(registry::AuditField::kRequestId, request.request_id);
  event.detail.emplace_back(registry::AuditField::kSourceAddress, request.remote_address);
  return event;
}

Result<void> Call::require_own_device(std::string_view device_name) const {
  if (who.caller.role != enroll::CallerRole::kDevice || who.device_name == device_name) return {};
  return Error{ErrorCode::kNotFound, registry::kDeviceNotFound, ""};
}

Result<void> append_event(db::Transaction& tx, const registry::AuditEvent& event) {
  return registry::append_audit_event(tx, event);
}

http::Route to_route(ApiContext& context, Operation operation) {
  http::Route route;
  route.method = operation.method;
  route.pattern = operation.pattern;
  route.max_body_bytes = operation.max_body_bytes;
  route.storage = operation.storage;
  const auto shared = std::make_shared<const Operation>(std::move(operation));
  route.handler = [&context, shared](const http::Request& request) { return answer(context, request, *shared); };
  route.admit = [&context, shared](const http::Request& request) { return admit(context, request, *shared); };
  return route;
}

}  // namespace muster::api
