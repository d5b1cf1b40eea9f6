// SPDX-License-Identifier: Apache-2.0
#include "api/log_json.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/reasons.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

void write_certificate(JsonWriter& out, const registry::CertificateRow& row) {
  out.object([&] {
    out.field("id", to_hex(row.id))
        .field("serial", to_hex(row.serial))
        .field("device", row.device_name)
        .field("status", to_string(row.status))
        .field("not_before", to_rfc3339(row.not_before))
        .field("not_after", to_rfc3339(row.not_after))
        .field("issuer_id", row.issuer_id.text());
    if (row.revoked_at) out.field("revoked_at", to_rfc3339(*row.revoked_at));
    if (row.revocation_reason) out.field("revocation_reason", to_string(*row.revocation_reason));
    if (!row.certificate.empty()) out.field("certificate", x509::write_pem("CERTIFICATE", row.certificate));
  });
}

http::Response certificate_response(const registry::CertificateRow& row) {
  JsonWriter out;
  write_certificate(out, row);
  return http::json_response(200, out.take());
}

Result<http::Response> issue(Call& call) {
  MUSTER_TRY_VOID(call.require_own_device(call.request.parameter("device")));
  MUSTER_TRY(JsonReader body, call.json());
  enroll::EnrollRequest request;
  request.tenant = call.tenant().id;
  request.device = call.request.parameter("device");
  request.csr = body.required_string("csr");
  if (!call.who.profile.empty()) request.profile = call.who.profile;
  if (auto profile = body.optional_string("profile")) request.profile = std::move(*profile);
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const auto issued, call.context.authority.enroll(call.who.caller, request));
  JsonWriter out;
  out.object([&] {
    out.field("id", issued.id_hex)
        .field("serial", issued.serial_hex)
        .field("certificate", issued.certificate_pem)
        .field("chain", issued.chain_pem)
        .field("not_after", to_rfc3339(issued.not_after));
    if (!issued.log) return;
    out.key("log");
    write_inclusion(out, *issued.log);
  });
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/certificates/" + issued.id_hex);
  return response;
}

Result<registry::CertificateFilter> read_filter(const Call& call, db::Transaction& tx) {
  const auto invalid = [](const char* what) {
    return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, what};
  };
  registry::CertificateFilter filter;
  if (const auto status = call.query("status")) {
    filter.status = registry::parse_certificate_status(*status);
    if (!filter.status) return invalid("status: active, revoked or expired");
  }
  if (const auto time = call.query("expires_before")) {
    const auto parsed = parse_rfc3339(*time);
    if (!parsed.ok()) return invalid("expires_before: an RFC 3339 time");
    filter.expires_before = *parsed;
  }
  if (const auto issuer = call.query("issuer")) {
    const auto parsed = IssuerId::parse(*issuer);
    if (!parsed.ok()) return invalid("issuer: an issuer's id");
    filter.issuer_id = *parsed;
  }
  if (const auto name = call.query("device")) {
    const auto parsed = DeviceName::parse(*name);
    if (!parsed.ok()) return invalid("device: a device's name");
    MUSTER_TRY(const auto device, registry::get_device(tx, call.tenant().id, *parsed));
    filter.device_id = device.id;
  }
  return filter;
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  using Rows = registry::Page<registry::CertificateRow>;
  MUSTER_TRY(const Rows rows,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Rows> {
               MUSTER_TRY(const auto filter, read_filter(call, tx));
               return registry::list_certificates(tx, call.tenant().id, filter, page, call.now());
             }));
  return page_response(rows, write_certificate);
}

// An id or serial in the path: lower-case hexadecimal, or it names nothing.
Result<std::string> reference_of_path(const Call& call) {
  const std::string& text = call.request.parameter("certificate");
  if (text.size() > 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Error{ErrorCode::kNotFound, registry::kCertificateNotFound, ""};
  }
  return text;
}

Result<registry::CertificateRow> load(const Call& call, const std::string& reference) {
  return db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
    return registry::get_certificate_by_reference(tx, call.tenant().id, reference, call.now());
  });
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const std::string reference, reference_of_path(call));
  MUSTER_TRY(const auto row, load(call, reference));
  return certificate_response(row);
}

Result<http::Response> revoke(Call& call) {
  MUSTER_TRY(const std::string reference, reference_of_path(call));
  enroll::RevocationRequest request{call.tenant().id, reference};
  if (call.request.body.size() > 0) {
    MUSTER_TRY(JsonReader body, call.json());
    if (auto reason = body.optional_string("reason")) request.reason = std::move(*reason);
    MUSTER_TRY_VOID(body.finish());
  }
  if (call.who.caller.role == enroll::CallerRole::kDevice) {
    MUSTER_TRY(const auto row, load(call, reference));
    if (row.device_id != call.who.caller.device) {
      return Error{ErrorCode::kNotFound, registry::kCertificateNotFound, ""};
    }
  }
  MUSTER_TRY(const auto revoked, call.context.authority.revoke(call.who.caller, request));
  MUSTER_TRY(const auto row, load(call, to_hex(revoked.id)));
  return certificate_response(row);
}

Result<enroll::ValidationRequest> read_validation(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  enroll::ValidationRequest request;
  request.tenant = call.tenant().id;
  request.certificate_pem = body.required_string("certificate");
  request.chain_pem = body.optional_string("chain").value_or("");
  if (const auto at = body.optional_string("at")) {
    const auto time = parse_rfc3339(*at);
    if (time.ok()) {
      request.at = *time;
    } else {
      body.fail("at", "an RFC 3339 time");
    }
  }
  MUSTER_TRY_VOID(body.finish());
  return request;
}

Result<http::Response> validate(Call& call) {
  MUSTER_TRY(const auto request, read_validation(call));
  MUSTER_TRY(const auto answer, call.context.authority.validate(call.who.caller, request));
  JsonWriter out;
  out.object([&] {
    out.field("valid", answer.valid);
    out.key("findings").array([&] {
      for (const auto& finding : answer.findings) {
        out.object([&] {
          out.field("reason", finding.reason).field("certificate_index", finding.certificate_index);
          if (!finding.parameter.empty()) out.field("parameter", finding.parameter);
        });
      }
    });
    if (answer.device) out.field("device", *answer.device);
  });
  return http::json_response(200, out.take());
}

}  // namespace

void add_certificates(Operations& operations) {
  const std::string tenant = "/v1/tenants/{tenant}";
  operations.push_back(
      {"POST", tenant + "/devices/{device}/certificates", Action::kCertificateIssue, issue, Replay::kAnswer});
  operations.push_back({"GET",
                        tenant + "/certificates",
                        Action::kCertificateRead,
                        list,
                        Replay::kNone,
                        {"limit", "cursor", "device", "status", "expires_before", "issuer"}});
  operations.push_back({"GET", tenant + "/certificates/{certificate}", Action::kCertificateRead, get});
  operations.push_back(
      {"POST", tenant + "/certificates/{certificate}/revocation", Action::kCertificateRevoke, revoke, Replay::kAnswer});
  operations.push_back({"POST", tenant + "/validations", Action::kCertificateValidate, validate});
}

}  // namespace muster::api
