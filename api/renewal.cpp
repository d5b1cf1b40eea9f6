// SPDX-License-Identifier: Apache-2.0
//
// When to renew: the window of a device's certificate (RFC 9773), incidents that move it to now, and what becomes of
// the certificate before.
#include "enroll/renewal.h"

#include "api/issuers.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "enroll/incident_desk.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

Result<http::Response> advise(Call& call) {
  const std::string& device = call.request.parameter("device");
  if (!DeviceName::parse(device).ok()) return Error{ErrorCode::kNotFound, registry::kDeviceNotFound, ""};
  MUSTER_TRY_VOID(call.require_own_device(device));
  MUSTER_TRY(const auto advice,
             enroll::RenewalDesk(call.context.authority).advise(call.who.caller, call.tenant().id, device));
  JsonWriter out;
  out.object([&] {
    out.field("certificate", to_hex(advice.certificate));
    out.key("window").object(
        [&] { out.field("start", to_rfc3339(advice.window.start)).field("end", to_rfc3339(advice.window.end)); });
    out.nullable("reason", advice.reason).field("retry_after", advice.retry_after.count());
  });
  http::Response response = http::json_response(200, out.take());
  response.headers.emplace_back("retry-after", std::to_string(advice.retry_after.count()));
  return response;
}

void write_incident(JsonWriter& out, const registry::Incident& incident) {
  out.object([&] {
    out.field("id", to_uuid_text(incident.id))
        .field("kind", to_string(incident.kind))
        .nullable("issuer", incident.issuer_id.is_nil() ? "" : incident.issuer_id.text())
        .nullable("key", incident.spki_sha256 ? to_hex(*incident.spki_sha256) : "")
        .field("certificates", incident.certificate_count)
        .field("reason", incident.reason)
        .field("created_at", to_rfc3339(incident.created_at))
        .field("created_by", incident.created_by);
  });
}

Result<std::optional<Sha256>> read_key(JsonReader& body) {
  const auto text = body.optional_string("key");
  if (!text) return std::optional<Sha256>{};
  const auto bytes = from_hex(*text);
  Sha256 key{};
  if (!bytes.ok() || bytes->size() != key.size()) {
    body.fail("key", "SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits");
    return std::optional<Sha256>{key};
  }
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return std::optional<Sha256>{key};
}

Result<enroll::NewIncident> read_incident(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  enroll::NewIncident wanted;
  const auto certificates = body.optional_strings("certificates", registry::kMaxIncidentCertificates);
  const auto issuer = body.optional_string("issuer");
  MUSTER_TRY(wanted.key, read_key(body));
  wanted.reason = body.optional_string("reason").value_or("");
  if (wanted.reason.size() > registry::kMaxIncidentReason) body.fail("reason", "at most 256 octets");
  if (certificates) {
    wanted.certificates = *certificates;
    if (certificates->empty()) body.fail("certificates", "at least one id or serial");
  }
  if (issuer) {
    const auto id = IssuerId::parse(*issuer);
    if (!id.ok()) body.fail("issuer", "an issuer's id");
    wanted.issuer = id.ok() ? *id : IssuerId{};
  }
  const int given = (certificates ? 1 : 0) + (issuer ? 1 : 0) + (wanted.key ? 1 : 0);
  if (given != 1) body.fail("certificates", "exactly one of certificates, issuer and key");
  MUSTER_TRY_VOID(body.finish());
  return wanted;
}

Result<http::Response> open(Call& call) {
  MUSTER_TRY(const auto wanted, read_incident(call));
  MUSTER_TRY(const auto incident,
             enroll::IncidentDesk(call.context.authority).open(call.who.caller, call.tenant().id, wanted));
  return incident_response(call, incident);
}

Result<http::Response> list(Call& call) {
  registry::Page<registry::Incident> page;
  MUSTER_TRY(page.items, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_incidents(tx, call.tenant().id);
             }));
  return page_response(page, write_incident);
}

Result<http::Response> close(Call& call) {
  const auto id = parse_raw_id(call.request.parameter("incident"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kIncidentNotFound, ""};
  MUSTER_TRY_VOID(enroll::IncidentDesk(call.context.authority).close(call.who.caller, call.tenant().id, *id));
  http::Response response;
  response.status = 204;
  return response;
}

http::Response settings_response(registry::Superseding superseding) {
  JsonWriter out;
  out.object([&] { out.field("superseding", to_string(superseding)); });
  return http::json_response(200, out.take());
}

Result<http::Response> get_settings(Call& call) {
  MUSTER_TRY(const auto superseding, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_superseding(tx, call.tenant().id);
             }));
  return settings_response(superseding);
}

Result<http::Response> put_settings(Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  const auto superseding = registry::parse_superseding(body.required_string("superseding"));
  if (!superseding) body.fail("superseding", "on-connect or never");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY_VOID(
      enroll::IncidentDesk(call.context.authority).set_superseding(call.who.caller, call.tenant().id, *superseding));
  return settings_response(*superseding);
}

}  // namespace

http::Response incident_response(const Call& call, const registry::Incident& incident) {
  JsonWriter out;
  write_incident(out, incident);
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location",
                                "/v1/tenants/" + call.tenant().name + "/incidents/" + to_uuid_text(incident.id));
  return response;
}

void add_renewal(Operations& operations) {
  const std::string tenant = "/v1/tenants/{tenant}";
  operations.push_back({"GET", tenant + "/devices/{device}/renewal", Action::kRenewalRead, advise});
  operations.push_back({"GET", tenant + "/incidents", Action::kIncidentRead, list});
  operations.push_back({"POST", tenant + "/incidents", Action::kIncidentWrite, open, Replay::kAnswer});
  operations.push_back({"DELETE", tenant + "/incidents/{incident}", Action::kIncidentWrite, close});
  operations.push_back({"GET", tenant + "/renewal", Action::kIncidentRead, get_settings});
  operations.push_back({"PUT", tenant + "/renewal", Action::kIncidentWrite, put_settings, Replay::kAnswer});
}

}  // namespace muster::api
