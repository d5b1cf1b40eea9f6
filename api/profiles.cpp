// SPDX-License-Identifier: Apache-2.0
#include "enroll/profiles.h"

#include "api/reasons.h"
#include "api/routes.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxAlgorithms = 16;

void write_profile(JsonWriter& out, const registry::ProfileRow& row) {
  out.object([&] {
    out.field("name", row.name);
    if (row.issuer_id.is_nil()) {
      out.nullable("issuer_id", std::string{});
    } else {
      out.field("issuer_id", row.issuer_id.text());
    }
    out.field("validity_seconds", row.validity_seconds).field("backdate_seconds", row.backdate_seconds);
    out.key("key_algorithms").array([&] {
      for (const std::string& name : row.key_algorithms) out.value(name);
    });
    out.field("short_lived", row.short_lived)
        .field("crl_pointer", row.crl_pointer)
        .field("ocsp_pointer", row.ocsp_pointer);
    const bool built_in = row.created_at == UtcTime{};
    out.field("built_in", built_in);
    if (!built_in) out.field("created_at", to_rfc3339(row.created_at)).field("updated_at", to_rfc3339(row.updated_at));
  });
}

http::Response profile_response(int status, const registry::ProfileRow& row) {
  JsonWriter out;
  write_profile(out, row);
  return http::json_response(status, out.take());
}

enroll::ProfileChange read_change(JsonReader& body) {
  enroll::ProfileChange change;
  if (const auto issuer = body.nullable_string("issuer_id")) {
    change.issuer.emplace();
    if (*issuer) {
      const auto id = IssuerId::parse(**issuer);
      if (id.ok()) {
        change.issuer->emplace(*id);
      } else {
        body.fail("issuer_id", "an issuer's id or null");
      }
    }
  }
  change.validity_seconds = body.optional_integer("validity_seconds");
  change.backdate_seconds = body.optional_integer("backdate_seconds");
  change.key_algorithms = body.optional_strings("key_algorithms", kMaxAlgorithms);
  change.short_lived = body.optional_bool("short_lived");
  change.crl_pointer = body.optional_bool("crl_pointer");
  change.ocsp_pointer = body.optional_bool("ocsp_pointer");
  return change;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const std::string name = body.required_string("name");
  const enroll::ProfileChange values = read_change(body);
  MUSTER_TRY_VOID(body.finish());
  enroll::Profiles profiles{call.context.authority};
  MUSTER_TRY(const auto row, profiles.create(call.who.caller, call.tenant().id, name, values));
  http::Response response = profile_response(201, row);
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/profiles/" + row.name);
  return response;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  enroll::Profiles profiles{call.context.authority};
  MUSTER_TRY(auto rows, profiles.list(call.who.caller, call.tenant().id, page));
  if (page.cursor.empty()) {  // the built-in one stands first, where none of the tenant's took its place
    MUSTER_TRY(auto device, profiles.get(call.who.caller, call.tenant().id, std::string(enroll::kDeviceProfile)));
    if (device.created_at == UtcTime{}) rows.items.insert(rows.items.begin(), std::move(device));
  }
  return page_response(rows, write_profile);
}

Result<http::Response> get(Call& call) {
  enroll::Profiles profiles{call.context.authority};
  MUSTER_TRY(const auto row, profiles.get(call.who.caller, call.tenant().id, call.request.parameter("profile")));
  return profile_response(200, row);
}

Result<http::Response> update(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const enroll::ProfileChange change = read_change(body);
  MUSTER_TRY_VOID(body.finish());
  enroll::Profiles profiles{call.context.authority};
  MUSTER_TRY(const auto row,
             profiles.update(call.who.caller, call.tenant().id, call.request.parameter("profile"), change));
  return profile_response(200, row);
}

Result<http::Response> remove(Call& call) {
  enroll::Profiles profiles{call.context.authority};
  MUSTER_TRY_VOID(profiles.remove(call.who.caller, call.tenant().id, call.request.parameter("profile")));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_profiles(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/profiles";
  const std::string one = all + "/{profile}";
  operations.push_back({"POST", all, Action::kProfileWrite, create, Replay::kAnswer});
  operations.push_back({"GET", all, Action::kProfileRead, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", one, Action::kProfileRead, get});
  operations.push_back({"PATCH", one, Action::kProfileWrite, update, Replay::kAnswer});
  operations.push_back({"DELETE", one, Action::kProfileWrite, remove});
}

}  // namespace muster::api
