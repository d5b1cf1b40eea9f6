// SPDX-License-Identifier: Apache-2.0
//
// Commands to devices: stored, handed to the broker where the device is, at least once, until it answers or they expire
// (docs/many-brokers.md).
#include "registry/command_store.h"

#include <algorithm>

#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "registry/device_store.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

constexpr std::int64_t kDefaultLife = 3'600;
constexpr std::int64_t kLongestLife = 7 * 86'400;

Error device_not_found() { return {ErrorCode::kNotFound, registry::kDeviceNotFound, ""}; }

Result<registry::Device> device_of_path(const Call& call, db::Transaction& tx) {
  const auto name = DeviceName::parse(call.request.parameter("device"));
  if (!name.ok()) return device_not_found();
  return registry::get_device(tx, call.tenant().id, *name);
}

void write_command(JsonWriter& out, const Call& call, const registry::Command& command) {
  const std::string principal = call.tenant().name + "/" + call.request.parameter("device");
  const std::string id = to_uuid_text(command.id);
  out.object([&] {
    out.field("id", id)
        .field("name", command.name)
        .field("status", to_string(command.status))
        .field("topic", principal + "/commands/" + command.name + "/" + id)
        .field("response_topic", principal + "/responses/" + id)
        .nullable("content_type", command.content_type)
        .field("payload_octets", command.payload_octets)
        .field("created_by", command.created_by)
        .field("created_at", to_rfc3339(command.created_at))
        .field("expires_at", to_rfc3339(command.expires_at))
        .nullable("sent_at", command.sent_at ? to_rfc3339(*command.sent_at) : "")
        .field("sent_count", command.sent_count)
        .nullable("answered_at", command.answered_at ? to_rfc3339(*command.answered_at) : "");
  });
}

Result<registry::NewCommand> read_command(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  registry::NewCommand command;
  command.name = body.required_string("name");
  const auto encoded = body.optional_string("payload").value_or("");
  command.content_type = body.optional_string("content_type").value_or("");
  command.expires_in_seconds = body.optional_integer("expires_in_seconds").value_or(kDefaultLife);
  if (command.expires_in_seconds < 1 || command.expires_in_seconds > kLongestLife) {
    body.fail("expires_in_seconds", "1 to 604800");
  }
  const auto printable = [](char c) { return c > 0x20 && c < 0x7f; };
  if (command.content_type.size() > 128 || !std::ranges::all_of(command.content_type, printable)) {
    body.fail("content_type", "at most 128 printable ASCII characters");
  }
  auto payload = from_base64(encoded);
  if (!payload.ok() || payload->size() > registry::kMaxCommandPayload) {
    body.fail("payload", "base64 of at most 65536 octets");
  } else {
    command.payload = std::move(payload).value();
  }
  MUSTER_TRY_VOID(body.finish());
  command.created_by = call.who.caller.audit_name();
  return command;
}

Result<http::Response> send(Call& call) {
  MUSTER_TRY(auto request, read_command(call));
  MUSTER_TRY(
      const registry::Command command,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Command> {
        MUSTER_TRY(const auto device, device_of_path(call, tx));
        if (device.status != registry::DeviceStatus::kActive) {
          return Error{ErrorCode::kFailedPrecondition, registry::kDeviceStatusInvalid, "the device is not active"};
        }
        request.device_id = device.id;
        MUSTER_TRY(auto made, registry::create_command(tx, call.tenant().id, request));
        auto event = call.event("command.send", "device:" + device.id.text(), device.name);
        event.detail.emplace_back(registry::AuditField::kName, made.name);
        event.detail.emplace_back(registry::AuditField::kDetail, "command " + to_uuid_text(made.id));
        MUSTER_TRY_VOID(append_event(tx, event));
        return made;
      }));
  JsonWriter out;
  write_command(out, call, command);
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/devices/" +
                                                call.request.parameter("device") + "/commands/" +
                                                to_uuid_text(command.id));
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  using Commands = registry::Page<registry::Command>;
  MUSTER_TRY(const auto commands,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Commands> {
               MUSTER_TRY(const auto device, device_of_path(call, tx));
               return registry::list_commands(tx, call.tenant().id, device.id, page);
             }));
  return page_response(commands,
                       [&](JsonWriter& out, const registry::Command& command) { write_command(out, call, command); });
}

Result<http::Response> get(Call& call) {
  const auto id = parse_raw_id(call.request.parameter("command"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kCommandNotFound, ""};
  MUSTER_TRY(
      const registry::Command command,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Command> {
        MUSTER_TRY(const auto device, device_of_path(call, tx));
        return registry::get_command(tx, call.tenant().id, device.id, *id);
      }));
  JsonWriter out;
  write_command(out, call, command);
  return http::json_response(200, out.take());
}

}  // namespace

void add_commands(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/devices/{device}/commands";
  operations.push_back({"POST", all, Action::kCommandSend, send, Replay::kAnswer});
  operations.push_back({"GET", all, Action::kCommandRead, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", all + "/{command}", Action::kCommandRead, get});
}

}  // namespace muster::api
