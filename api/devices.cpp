// SPDX-License-Identifier: Apache-2.0
#include "registry/device_store.h"

#include "api/grant_events.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "registry/policy_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

void write_device(JsonWriter& out, const registry::Tenant& tenant, const registry::Device& device) {
  out.object([&] {
    out.field("id", device.id.text())
        .field("name", device.name)
        .field("tenant", tenant.name)
        .field("principal", tenant.name + "/" + device.name)
        .field("status", to_string(device.status));
    out.key("labels").object([&] {
      for (const auto& [name, value] : device.labels) out.field(name, value);
    });
    out.key("groups").array([&] {
      for (const std::string& group : device.groups) out.value(group);
    });
    out.nullable("policy", device.policy_name).field("created_at", to_rfc3339(device.created_at));
  });
}

http::Response device_response(int status, const registry::Tenant& tenant, const registry::Device& device) {
  JsonWriter out;
  write_device(out, tenant, device);
  return http::json_response(status, out.take());
}

std::string target_of(const registry::Device& device) { return "device:" + device.id.text(); }

Error device_not_found() { return {ErrorCode::kNotFound, registry::kDeviceNotFound, ""}; }

// A name that cannot be one names no device.
Result<DeviceName> device_of_path(const Call& call) {
  auto name = DeviceName::parse(call.request.parameter("device"));
  if (!name.ok()) return device_not_found();
  MUSTER_TRY_VOID(call.require_own_device(name->text()));
  return name;
}

Result<PolicyId> policy_id(db::Transaction& tx, const Call& call, const std::optional<std::string>& name) {
  if (!name) return PolicyId{};
  MUSTER_TRY(const auto document, registry::get_policy(tx, call.tenant().id, *name));
  return document.id;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name_text = body.required_string("name");
  const auto labels = body.optional_string_map("labels", registry::kMaxLabels);
  const auto groups = body.optional_strings("groups", registry::kMaxGroups);
  const auto policy = body.nullable_string("policy");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const DeviceName name, DeviceName::parse(name_text));
  MUSTER_TRY(
      const registry::Device device,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Device> {
        registry::NewDevice device{name, labels.value_or(registry::Labels{}),
                                   groups.value_or(std::vector<std::string>{}), PolicyId{},
                                   call.who.caller.audit_name()};
        MUSTER_TRY(device.policy_id, policy_id(tx, call, policy.value_or(std::nullopt)));
        MUSTER_TRY(auto made, registry::create_device(tx, call.tenant().id, device));
        MUSTER_TRY_VOID(append_event(tx, call.event("device.create", target_of(made), made.name)));
        return made;
      }));
  http::Response response = device_response(201, call.tenant(), device);
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/devices/" + device.name);
  return response;
}

Result<registry::DeviceFilter> read_filter(const Call& call) {
  registry::DeviceFilter filter;
  if (const auto status = call.query("status")) {
    filter.status = registry::parse_device_status(*status);
    if (!filter.status) {
      return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, "status: active, suspended or retired"};
    }
  }
  filter.group = call.query("group");
  if (const auto label = call.query("label")) {
    const std::size_t colon = label->find(':');
    if (colon == std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, "label: name:value"};
    }
    filter.label = {label->substr(0, colon), label->substr(colon + 1)};
  }
  return filter;
}

Result<http::Response> list(Call& call) {
  if (call.who.caller.role == enroll::CallerRole::kDevice) {
    return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "a device sees itself only"};
  }
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto filter, read_filter(call));
  MUSTER_TRY(const auto devices, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_devices(tx, call.tenant().id, filter, page);
             }));
  return page_response(
      devices, [&](JsonWriter& out, const registry::Device& device) { write_device(out, call.tenant(), device); });
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const DeviceName name, device_of_path(call));
  MUSTER_TRY(const auto device, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_device(tx, call.tenant().id, name);
             }));
  return device_response(200, call.tenant(), device);
}

struct UpdateRequest {
  registry::DeviceUpdate update;
  std::optional<std::optional<std::string>> policy;
};

Result<UpdateRequest> read_update(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  UpdateRequest request;
  const auto status = body.optional_string("status");
  request.update.labels = body.optional_string_map("labels", registry::kMaxLabels);
  request.update.groups = body.optional_strings("groups", registry::kMaxGroups);
  request.policy = body.nullable_string("policy");
  if (status) {
    request.update.status = registry::parse_device_status(*status);
    if (!request.update.status) body.fail("status", "active, suspended or retired");
  }
  MUSTER_TRY_VOID(body.finish());
  return request;
}

registry::AuditEvent update_event(const Call& call, const registry::Device& device, const UpdateRequest& request) {
  auto event = call.event("device.update", target_of(device), device.name);
  if (request.update.status) event.detail.emplace_back(registry::AuditField::kStatus, to_string(device.status));
  if (request.policy) event.detail.emplace_back(registry::AuditField::kPolicy, device.policy_name);
  return event;
}

Result<http::Response> update(Call& call) {
  MUSTER_TRY(const DeviceName name, device_of_path(call));
  MUSTER_TRY(const UpdateRequest request, read_update(call));
  MUSTER_TRY(
      const registry::Device device,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Device> {
        MUSTER_TRY(const auto before, registry::get_device(tx, call.tenant().id, name));
        registry::DeviceUpdate change = request.update;
        if (request.policy) {
          MUSTER_TRY(change.policy_id, policy_id(tx, call, *request.policy));
        }
        MUSTER_TRY(auto after, registry::update_device(tx, call.tenant().id, before.id, change));
        MUSTER_TRY_VOID(append_event(tx, update_event(call, after, request)));
        return after;
      }));
  return device_response(200, call.tenant(), device);
}

// The grants that a device has, and those that others have on it, end with it.
Result<void> note_ended_grants(const Call& call, db::Transaction& tx, const DeviceId& device) {
  MUSTER_TRY(auto grants, registry::list_grants_of(tx, call.tenant().id, device));
  MUSTER_TRY(const auto on, registry::list_grants_on(tx, call.tenant().id, device));
  grants.insert(grants.end(), on.begin(), on.end());
  for (const registry::Grant& grant : grants) MUSTER_TRY_VOID(append_event(tx, grant_event(call, "grant.end", grant)));
  return {};
}

Result<http::Response> remove(Call& call) {
  MUSTER_TRY(const DeviceName name, device_of_path(call));
  MUSTER_TRY_VOID(db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY(const auto device, registry::get_device(tx, call.tenant().id, name));
    MUSTER_TRY_VOID(note_ended_grants(call, tx, device.id));
    MUSTER_TRY(const std::size_t revoked, registry::delete_device(tx, call.tenant().id, device.id, call.now()));
    auto event = call.event("device.delete", target_of(device), device.name);
    event.detail.emplace_back(registry::AuditField::kCount, std::to_string(revoked));
    return append_event(tx, event);
  }));
  call.context.authority.note_revocation();
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_devices(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/devices";
  const std::string one = all + "/{device}";
  operations.push_back({"POST", all, Action::kDeviceCreate, create, Replay::kAnswer});
  operations.push_back(
      {"GET", all, Action::kDeviceRead, list, Replay::kNone, {"limit", "cursor", "status", "group", "label"}});
  operations.push_back({"GET", one, Action::kDeviceRead, get});
  operations.push_back({"PATCH", one, Action::kDeviceUpdate, update, Replay::kAnswer});
  operations.push_back({"DELETE", one, Action::kDeviceDelete, remove});
}

}  // namespace muster::api
