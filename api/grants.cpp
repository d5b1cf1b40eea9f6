// SPDX-License-Identifier: Apache-2.0
#include "registry/grant_store.h"

#include "api/grant_events.h"
#include "api/policy_json.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "registry/device_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

using registry::Grant;

void write_terms(JsonWriter& out, const Grant& grant) {
  out.field("device", grant.device_name).field("on", grant.on_name);
  out.key("actions").array([&] {
    for (const PolicyAction action : kPolicyActions) {
      if (grant.actions.has(action)) out.value(to_string(action));
    }
  });
  out.key("topics").array([&] {
    for (const std::string& filter : grant.filters) out.value(filter);
  });
  write_rule_limits(out, grant.max_qos, grant.max_payload);
}

void write_grant(JsonWriter& out, const Grant& grant) {
  out.object([&] {
    out.field("id", grant.id.text());
    write_terms(out, grant);
    out.field("created_by", grant.created_by).field("created_at", to_rfc3339(grant.created_at));
  });
}

http::Response grant_response(int status, const Grant& grant) {
  JsonWriter out;
  write_grant(out, grant);
  return http::json_response(status, out.take());
}

Error grant_not_found() { return {ErrorCode::kNotFound, registry::kGrantNotFound, ""}; }

// A name that cannot be one names no device.
Result<registry::Device> device_named(db::Transaction& tx, const Call& call, std::string_view text) {
  const auto name = DeviceName::parse(text);
  if (!name.ok()) return Error{ErrorCode::kNotFound, registry::kDeviceNotFound, ""};
  return registry::get_device(tx, call.tenant().id, *name);
}

Result<registry::Device> device_of_path(db::Transaction& tx, const Call& call) {
  return device_named(tx, call, call.request.parameter("device"));
}

struct GrantRequest {
  registry::NewGrant terms;  // without devices
  std::string on;
};

Result<GrantRequest> read_request(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  GrantRequest request;
  request.on = body.required_string("on");
  const auto actions = body.optional_strings("actions", kPolicyActions.size());
  auto topics = body.optional_strings("topics", registry::kMaxGrantFilters);
  if (!actions) body.fail("actions", "a list of publish, subscribe, retain, will");
  if (!topics) body.fail("topics", "a list of topic filters below the other device's name");
  read_rule_limits(body, request.terms.max_qos, request.terms.max_payload);
  MUSTER_TRY_VOID(body.finish());
  for (const std::string& name : *actions) {
    const auto action = parse_policy_action(name);
    if (!action) return Error{ErrorCode::kInvalidArgument, registry::kGrantActionInvalid, name};
    request.terms.actions.add(*action);
  }
  request.terms.filters = std::move(*topics);
  request.terms.created_by = call.who.caller.audit_name();
  return request;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(GrantRequest request, read_request(call));
  MUSTER_TRY(const Grant grant,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Grant> {
               MUSTER_TRY(const auto device, device_of_path(tx, call));
               MUSTER_TRY(const auto on, device_named(tx, call, request.on));
               request.terms.device = device.id;
               request.terms.on = on.id;
               MUSTER_TRY(auto made, registry::create_grant(tx, call.tenant().id, request.terms));
               MUSTER_TRY_VOID(append_event(tx, grant_event(call, "grant.create", made)));
               return made;
             }));
  http::Response response = grant_response(201, grant);
  response.headers.emplace_back(
      "location", "/v1/tenants/" + call.tenant().name + "/devices/" + grant.device_name + "/grants/" + grant.id.text());
  return response;
}

// Those that the device has, or those that others have on it.
Result<http::Response> list(Call& call) {
  const std::string side = call.query("side").value_or("holder");
  if (side != "holder" && side != "on") {
    return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, "side: holder or on"};
  }
  using Grants = std::vector<Grant>;
  MUSTER_TRY(const Grants grants,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Grants> {
               MUSTER_TRY(const auto device, device_of_path(tx, call));
               return side == "on" ? registry::list_grants_on(tx, call.tenant().id, device.id)
                                   : registry::list_grants_of(tx, call.tenant().id, device.id);
             }));
  return page_response(registry::Page<Grant>{grants, ""}, write_grant);
}

Result<GrantId> grant_of_path(const Call& call) {
  const auto id = parse_raw_id(call.request.parameter("grant"));
  if (!id.ok()) return grant_not_found();
  return GrantId{*id};
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const GrantId id, grant_of_path(call));
  MUSTER_TRY(const Grant grant,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Grant> {
               MUSTER_TRY(const auto device, device_of_path(tx, call));
               return registry::get_grant(tx, call.tenant().id, device.id, id);
             }));
  return grant_response(200, grant);
}

Result<http::Response> remove(Call& call) {
  MUSTER_TRY(const GrantId id, grant_of_path(call));
  MUSTER_TRY_VOID(db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto device, device_of_path(tx, call));
    MUSTER_TRY(const Grant grant, registry::delete_grant(tx, call.tenant().id, device.id, id));
    return append_event(tx, grant_event(call, "grant.delete", grant));
  }));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

registry::AuditEvent grant_event(const Call& call, std::string action, const Grant& grant) {
  JsonWriter terms;
  terms.object([&] { write_terms(terms, grant); });
  const bool ends = action != "grant.create";
  auto event = call.event(std::move(action), "device:" + grant.device.text(), grant.device_name);
  event.detail.emplace_back(registry::AuditField::kName, grant.on_name);
  event.detail.emplace_back(registry::AuditField::kDetail, "grant:" + grant.id.text());
  event.detail.emplace_back(ends ? registry::AuditField::kOldValue : registry::AuditField::kNewValue, terms.take());
  return event;
}

void add_grants(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/devices/{device}/grants";
  const std::string one = all + "/{grant}";
  operations.push_back({"POST", all, Action::kPolicyWrite, create, Replay::kAnswer});
  operations.push_back({"GET", all, Action::kPolicyRead, list, Replay::kNone, {"side"}});
  operations.push_back({"GET", one, Action::kPolicyRead, get});
  operations.push_back({"DELETE", one, Action::kPolicyWrite, remove});
}

}  // namespace muster::api
