// SPDX-License-Identifier: Apache-2.0
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "enroll/external_crl.h"
#include "enroll/trust_anchor.h"
#include "registry/reasons.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

using registry::TrustAnchorRow;

constexpr std::size_t kMaxDenied = 1000;

enroll::TrustAnchors anchors_of(const Call& call) { return enroll::TrustAnchors{call.context.authority}; }

// A path segment that is no id names nothing.
Result<IssuerId> anchor_id(const Call& call) {
  const auto id = IssuerId::parse(call.request.parameter("anchor"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kTrustAnchorNotFound, ""};
  return *id;
}

void write_settings(JsonWriter& out, const TrustAnchorRow& row) {
  out.key("self_registration").object([&] {
    const auto& self = row.self_registration;
    out.field("enabled", self.enabled)
        .field("max_devices", self.max_devices)
        .field("devices_per_minute", self.devices_per_minute)
        .nullable("group", self.group);
    out.key("denied").array([&] {
      for (const std::string& entry : self.denied) out.value(entry);
    });
  });
  out.field("expired_crl", to_string(row.expired_crl));
  out.key("crl").object([&] {
    out.nullable("url", row.crl.url)
        .field("fetch_seconds", row.crl.fetch_seconds)
        .nullable("last_failure", row.crl_fetch_failure);
  });
}

void write_fields(JsonWriter& out, const TrustAnchorRow& row) {
  std::string pem = x509::write_pem("CERTIFICATE", row.certificate);
  for (const Bytes& der : row.intermediates) pem.append(x509::write_pem("CERTIFICATE", der));
  out.field("id", row.id.text())
      .field("status", to_string(row.status))
      .field("spki_sha256", to_hex(row.spki_sha256))
      .field("certificates", pem)
      .field("not_after", to_rfc3339(row.not_after))
      .field("device_id_from", to_string(row.source))
      .field("device_id_prefix", row.prefix);
  write_settings(out, row);
  out.field("created_at", to_rfc3339(row.created_at))
      .nullable("verified_at", row.verified_at ? to_rfc3339(*row.verified_at) : "");
}

void write_anchor(JsonWriter& out, const TrustAnchorRow& row) {
  out.object([&] { write_fields(out, row); });
}

http::Response anchor_response(int status, const TrustAnchorRow& row) {
  JsonWriter out;
  write_anchor(out, row);
  return http::json_response(status, out.take());
}

Result<std::optional<registry::SelfRegistration>> read_self_registration(JsonReader& body,
                                                                         registry::SelfRegistration settings) {
  auto fields = body.optional_object("self_registration");
  if (!fields) return std::optional<registry::SelfRegistration>{};
  settings.enabled = fields->optional_bool("enabled").value_or(settings.enabled);
  settings.max_devices = fields->optional_integer("max_devices").value_or(settings.max_devices);
  settings.devices_per_minute = fields->optional_integer("devices_per_minute").value_or(settings.devices_per_minute);
  if (auto group = fields->nullable_string("group")) settings.group = group->value_or("");
  if (auto denied = fields->optional_strings("denied", kMaxDenied)) settings.denied = std::move(*denied);
  MUSTER_TRY_VOID(fields->finish());
  return std::optional{std::move(settings)};
}

Result<std::optional<registry::CrlSource>> read_crl_source(JsonReader& body, registry::CrlSource source) {
  auto fields = body.optional_object("crl");
  if (!fields) return std::optional<registry::CrlSource>{};
  if (auto url = fields->nullable_string("url")) source.url = url->value_or("");
  source.fetch_seconds = fields->optional_integer("fetch_seconds").value_or(source.fetch_seconds);
  MUSTER_TRY_VOID(fields->finish());
  return std::optional{std::move(source)};
}

std::optional<registry::ExpiredCrlRule> read_rule(JsonReader& body) {
  const auto text = body.optional_string("expired_crl");
  if (!text) return std::nullopt;
  const auto rule = registry::parse_expired_crl_rule(*text);
  if (!rule) body.fail("expired_crl", "fail-closed or last-known-good");
  return rule;
}

Result<enroll::NewTrustAnchor> read_new(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  enroll::NewTrustAnchor request;
  request.certificates_pem = body.required_string("certificates");
  const auto source = parse_device_id_source(body.required_string("device_id_from"));
  if (!source) body.fail("device_id_from", "uri-san, dns-san, cn or serial-number");
  request.prefix = body.optional_string("device_id_prefix").value_or("");
  request.expired_crl = read_rule(body).value_or(request.expired_crl);
  MUSTER_TRY(auto self, read_self_registration(body, request.self_registration));
  MUSTER_TRY(auto crl, read_crl_source(body, request.crl));
  MUSTER_TRY_VOID(body.finish());
  request.source = *source;
  if (self) request.self_registration = std::move(*self);
  if (crl) request.crl = std::move(*crl);
  return request;
}

void write_code(JsonWriter& out, const enroll::MadeTrustAnchor& made) {
  out.key("verification").object([&] {
    out.field("code", made.code).field("expires_at", to_rfc3339(made.row.code_expires_at.value_or(UtcTime{})));
  });
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(const auto request, read_new(call));
  MUSTER_TRY(const auto made, anchors_of(call).create(call.who.caller, call.tenant().id, request));
  JsonWriter out;
  out.object([&] {
    write_fields(out, made.row);
    write_code(out, made);
  });
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location",
                                "/v1/tenants/" + call.tenant().name + "/trust-anchors/" + made.row.id.text());
  return response;
}

Result<http::Response> renew_code(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(const auto made, anchors_of(call).renew_code(call.who.caller, call.tenant().id, id));
  JsonWriter out;
  out.object([&] { write_code(out, made); });
  return http::json_response(201, out.take());
}

// A tenant has a handful: one page, no cursor.
Result<http::Response> list(Call& call) {
  registry::Page<TrustAnchorRow> page;
  MUSTER_TRY(page.items, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_trust_anchors(tx, call.tenant().id);
             }));
  return page_response(page, write_anchor);
}

Result<TrustAnchorRow> load(const Call& call, const IssuerId& id) {
  return db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
    return registry::get_trust_anchor(tx, call.tenant().id, id);
  });
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(const auto row, load(call, id));
  return anchor_response(200, row);
}

Result<http::Response> verify(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(JsonReader body, call.json());
  const std::string certificate = body.required_string("certificate");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const auto row, anchors_of(call).verify(call.who.caller, call.tenant().id, id, certificate));
  return anchor_response(200, row);
}

Result<http::Response> update(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(const auto present, load(call, id));
  MUSTER_TRY(JsonReader body, call.json());
  enroll::TrustAnchorUpdate update;
  if (const auto text = body.optional_string("status")) {
    update.status = registry::parse_trust_anchor_status(*text);
    if (!update.status) body.fail("status", "active, no-new-devices, suspended or revoked");
  }
  update.expired_crl = read_rule(body);
  MUSTER_TRY(update.self_registration, read_self_registration(body, present.self_registration));
  MUSTER_TRY(update.crl, read_crl_source(body, present.crl));
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const auto row, anchors_of(call).update(call.who.caller, call.tenant().id, id, update));
  return anchor_response(200, row);
}

http::Response no_content() {
  http::Response response;
  response.status = 204;
  return response;
}

Result<http::Response> remove(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY_VOID(anchors_of(call).remove(call.who.caller, call.tenant().id, id));
  return no_content();
}

void write_credential(JsonWriter& out, const registry::ExternalCredential& credential) {
  out.object([&] {
    out.field("device", credential.device_name)
        .field("self_registered", credential.self_registered)
        .field("created_at", to_rfc3339(credential.created_at));
  });
}

Result<http::Response> bind_device(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(JsonReader body, call.json());
  const std::string device = body.required_string("device");
  const bool create = body.optional_bool("create").value_or(false);
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const auto credential,
             anchors_of(call).bind(call.who.caller, call.tenant().id, id, device,
                                   create ? enroll::CreateDevice::kYes : enroll::CreateDevice::kNo));
  JsonWriter out;
  write_credential(out, credential);
  return http::json_response(201, out.take());
}

Result<http::Response> list_devices(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(const auto page, call.page());
  using Page = registry::Page<registry::ExternalCredential>;
  MUSTER_TRY(const auto devices,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Page> {
               MUSTER_TRY_VOID(registry::get_trust_anchor(tx, call.tenant().id, id));
               return registry::list_credentials(tx, call.tenant().id, id, page);
             }));
  return page_response(devices, write_credential);
}

Result<http::Response> unbind_device(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY_VOID(anchors_of(call).unbind(call.who.caller, call.tenant().id, id, call.request.parameter("device")));
  return no_content();
}

struct CrlWriter {
  UtcTime now;
  void operator()(JsonWriter& out, const registry::ExternalCrlRow& crl) const {
    out.object([&] {
      out.field("issuer_key_sha256", to_hex(crl.issuer_key))
          .nullable("number", crl.number_hex)
          .field("this_update", to_rfc3339(crl.this_update))
          .field("next_update", to_rfc3339(crl.next_update))
          .field("expired", now > crl.next_update)
          .field("entries", crl.entries)
          .field("source", crl.fetched ? "fetch" : "upload")
          .field("received_at", to_rfc3339(crl.received_at));
    });
  }
};

Result<http::Response> import_crl(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(const std::string_view body, call.request.body.view());
  MUSTER_TRY(const auto crl, enroll::ExternalCrls{call.context.authority}.import(
                                 call.who.caller, call.tenant().id, id, as_bytes(body), enroll::CrlOrigin::kUpload));
  JsonWriter out;
  CrlWriter{call.now()}(out, crl);
  return http::json_response(201, out.take());
}

Result<http::Response> list_crls(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  using Rows = std::vector<registry::ExternalCrlRow>;
  registry::Page<registry::ExternalCrlRow> page;
  MUSTER_TRY(page.items,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Rows> {
               MUSTER_TRY_VOID(registry::get_trust_anchor(tx, call.tenant().id, id));
               return registry::list_external_crls(tx, call.tenant().id, id);
             }));
  return page_response(page, CrlWriter{call.now()});
}

Result<http::Response> revoke_certificate(Call& call) {
  MUSTER_TRY(const IssuerId id, anchor_id(call));
  MUSTER_TRY(JsonReader body, call.json());
  const std::string certificate = body.required_string("certificate");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY_VOID(anchors_of(call).revoke(call.who.caller, call.tenant().id, id, certificate));
  return no_content();
}

}  // namespace

void add_trust_anchors(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/trust-anchors";
  const std::string one = all + "/{anchor}";
  const auto read = Action::kTrustAnchorRead;
  const auto write = Action::kTrustAnchorWrite;
  operations.push_back({"POST", all, write, create, Replay::kRefuse});
  operations.push_back({"GET", all, read, list});
  operations.push_back({"GET", one, read, get});
  operations.push_back({"PATCH", one, write, update, Replay::kAnswer});
  operations.push_back({"DELETE", one, write, remove});
  operations.push_back({"POST", one + "/verification", write, verify, Replay::kAnswer});
  operations.push_back({"POST", one + "/verification-code", write, renew_code, Replay::kRefuse});
  operations.push_back({"POST", one + "/devices", write, bind_device, Replay::kAnswer});
  operations.push_back({"GET", one + "/devices", read, list_devices, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"DELETE", one + "/devices/{device}", write, unbind_device});
  operations.push_back({"POST", one + "/crls", write, import_crl, Replay::kNone, {}, enroll::kMaxExternalCrlBytes});
  operations.push_back({"GET", one + "/crls", read, list_crls});
  operations.push_back({"POST", one + "/revocations", write, revoke_certificate});
}

}  // namespace muster::api
