// SPDX-License-Identifier: Apache-2.0
//
// EST (RFC 7030, corrected by RFC 8951) per tenant, at /.well-known/est/{tenant}[/{label}]/…, and for strongSwan's pki,
// which puts the label before /.well-known/est and reads base64 in one line only, at /{tenant}/.well-known/est/… . Who
// may enrol what is decided in enroll/, as for every other protocol; here requests are read and answers written.
//
// Deviations: proof of possession is not linked to the TLS session (RFC 7030 §3.5; TLS 1.3 has no tls-unique), and
// fullcmc is refused. Content-Transfer-Encoding is sent for old clients and never looked at (RFC 8951 §3.1).
#include <algorithm>
#include <cstring>

#include "api/est_body.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "core/log.h"
#include "core/random.h"
#include "enroll/est_messages.h"
#include "enroll/reasons.h"
#include "enroll/renewal.h"
#include "enroll/server_key_generation.h"
#include "registry/est_settings_store.h"
#include "registry/reasons.h"
#include "x509/request_names.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxRequestBytes = 32u << 10;  // of base64
constexpr std::size_t kMaxCacerts = 16;
constexpr std::string_view kCertsOnlyType = "application/pkcs7-mime; smime-type=certs-only";

struct EstCall {
  ApiContext& context;
  const http::Request& request;
  registry::Tenant tenant;
  registry::EstSettings settings;
  registry::EstLabel label;  // without one in the path: the tenant's own choice of lines
};

using Handle = Result<http::Response> (*)(EstCall&);

Result<EstCall> open_call(ApiContext& context, const http::Request& request) {
  const Error not_found{ErrorCode::kNotFound, registry::kTenantNotFound, ""};
  const auto name = TenantName::parse(request.parameter("tenant"));
  if (!name.ok()) return not_found;
  EstCall call{context, request, {}, {}, {}};
  MUSTER_TRY_VOID(
      db::run_in_transaction(context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) -> Result<void> {
        MUSTER_TRY(call.tenant, registry::get_tenant(tx, *name));
        MUSTER_TRY(call.settings, registry::get_est_settings(tx, call.tenant.id));
        return {};
      }));
  const auto wanted = request.parameters.find("label");
  if (wanted == request.parameters.end()) {
    call.label.unwrapped = call.settings.unwrapped || request.segments.front() == request.parameter("tenant");
    return call;
  }
  const auto& labels = call.settings.labels;
  const auto label = std::ranges::find(labels, wanted->second, &registry::EstLabel::name);
  if (label == labels.end()) return Error{ErrorCode::kNotFound, reasons::kEstLabelUnknown, ""};
  call.label = *label;
  return call;
}

http::Response encoded_response(const EstCall& call, std::string_view type, BytesView der) {
  http::Response response;
  response.content_type = type;
  response.body = to_est_base64(der, call.label.unwrapped);
  response.headers.emplace_back("content-transfer-encoding", "base64");
  return response;
}

// The tenant's CAs, and the root of the servers' certificates: a client that trusts only what it got here (RFC 7030
// §4.1.1, Explicit TA) must still be able to reach us and the brokers.
Result<http::Response> cacerts(EstCall& call) {
  MUSTER_TRY(const std::string pem, call.context.authority.ca_certificates_pem(call.tenant.id));
  MUSTER_TRY(const auto certificates,
             x509::Certificate::parse_pem_list(pem + call.context.authority.infrastructure_root_pem(), kMaxCacerts));
  return encoded_response(call, "application/pkcs7-mime", enroll::certs_only(certificates));
}

Result<http::Response> csrattrs(EstCall& call) {
  return encoded_response(call, "application/csrattrs", enroll::csr_attributes());
}

// The role may ask for certificates in this tenant; for which device is decided where it is issued.
Result<void> require_right(const EstCall& call, const Authenticated& who) {
  const bool by_claim = who.caller.role == enroll::CallerRole::kClaim;
  switch (authorise(who.caller, Action::kCertificateIssue, call.tenant.id)) {
    case Decision::kAllow: return {};
    case Decision::kHide:
      if (by_claim) return Error{ErrorCode::kPermissionDenied, enroll::reasons::kClaimRefused, ""};
      return Error{ErrorCode::kNotFound, registry::kTenantNotFound, ""};
    case Decision::kForbid: break;
  }
  return Error{ErrorCode::kPermissionDenied, reasons::kForbidden, "not in this role"};
}

Error names_differ() {
  return {ErrorCode::kInvalidArgument, reasons::kEstNamesDiffer,
          "subject and subjectAltName of a request for re-enrolment are those of the certificate, or absent"};
}

// RFC 7030 §4.2.2: the request names whom the certificate names. What it leaves out is no other name.
Result<void> require_same_names(const x509::RequestNames& names, BytesView certificate_der) {
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_der(certificate_der));
  const auto own = x509::common_name_of(certificate);
  const bool same_subject =
      names.subject_attributes == 0 || (names.subject_attributes == 1 && own && names.common_name == own);
  const bool same_alt_names = !names.alt_names || *names.alt_names == certificate.subject_alt_names();
  if (same_subject && same_alt_names) return {};
  return names_differ();
}

Result<enroll::EnrollRequest> make_request(const EstCall& call, const Authenticated& who, const Bytes& csr) {
  MUSTER_TRY(const auto names, x509::read_request_names(csr));
  enroll::EnrollRequest request;
  request.tenant = call.tenant.id;
  request.csr = as_text(csr);
  if (who.caller.role == enroll::CallerRole::kDevice) {
    const bool external = !who.caller.external_chain.empty();  // its certificate has names of its own kind
    if (external && names.common_name.value_or(who.device_name) != who.device_name) return names_differ();
    if (!external) MUSTER_TRY_VOID(require_same_names(names, call.request.peer_chain.front()));
    request.device = who.device_name;
    return request;  // under the profile of its certificate
  }
  request.profile = who.profile.empty() ? call.label.profile : who.profile;
  request.device = names.common_name ? *names.common_name : who.basic_user;
  if (request.device.empty()) {
    return Error{ErrorCode::kInvalidArgument, reasons::kEstDeviceUnnamed,
                 "name the device in the CN of the request's subject, or as the user of HTTP Basic"};
  }
  // Who may register devices over REST does it here in the same step; for a claim its terms decide.
  if (role_allows(who.caller.role, Action::kDeviceCreate)) request.create = enroll::CreateDevice::kYes;
  return request;
}

Result<http::Response> issued_response(const EstCall& call, const enroll::IssuedCertificate& issued) {
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_pem(issued.certificate_pem));
  http::Response response = encoded_response(call, kCertsOnlyType, enroll::certs_only(std::span{&certificate, 1}));
  const auto advice = enroll::RenewalDesk{call.context.authority}.advise_certificate(call.tenant.id, issued.id);
  if (!advice.ok()) return response;  // the certificate is there; when to renew it can be asked again
  for (auto& header : enroll::renewal_headers(*advice)) response.headers.push_back(std::move(header));
  return response;
}

Result<http::Response> enroll_by(EstCall& call, const AlsoAccepted& accepted) {
  MUSTER_TRY(const Authenticated who, authenticate(call.context, call.request, accepted));
  MUSTER_TRY_VOID(require_right(call, who));
  MUSTER_TRY(const Bytes csr, read_est_request(call.request));
  MUSTER_TRY(const auto request, make_request(call, who, csr));
  MUSTER_TRY(const auto issued, call.context.authority.enroll(who.caller, request));
  return issued_response(call, issued);
}

Result<http::Response> simpleenroll(EstCall& call) { return enroll_by(call, {.claims_of = call.tenant.id}); }

Result<http::Response> simplereenroll(EstCall& call) {
  if (call.request.peer_chain.empty()) {
    return Error{ErrorCode::kUnauthenticated, reasons::kAuthRequired,
                 "re-enrolment needs the certificate that is to be renewed"};
  }
  return enroll_by(call, {.claims_of = {}, .only_certificates = true, .expired_certificates = true});
}

std::string part_head(std::string_view boundary, std::string_view type) {
  return "--" + std::string(boundary) + "\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Transfer-Encoding: base64\r\n\r\n";
}

// RFC 7030 §4.4.2. The key is written to the connection piece by piece and never stands in the response's own text,
// which nobody overwrites.
Result<http::Response> serverkeygen(EstCall& call) {
  MUSTER_TRY(const Authenticated who, authenticate(call.context, call.request, {.claims_of = call.tenant.id}));
  MUSTER_TRY_VOID(require_right(call, who));
  MUSTER_TRY(const Bytes csr, read_est_request(call.request));
  MUSTER_TRY(const auto request, make_request(call, who, csr));
  MUSTER_TRY(auto made, enroll::generate_key_and_enroll(call.context.authority, who.caller, request));
  MUSTER_TRY(http::Response response, issued_response(call, made.certificate));
  const std::string boundary = "muster-" + to_hex(random_bytes(16));
  const std::string tail =
      "\r\n" + part_head(boundary, kCertsOnlyType) + response.body + "\r\n--" + boundary + "--\r\n";
  std::erase_if(response.headers, [](const auto& header) { return header.first == "content-transfer-encoding"; });
  response.body.clear();
  response.content_type = "multipart/mixed; boundary=" + boundary;
  const auto key = std::make_shared<const SecretBytes>(std::move(made.pkcs8));
  response.stream = [boundary, tail, key, unwrapped = call.label.unwrapped](http::BodyWriter& writer) {
    std::string encoded = to_est_base64(key->view(), unwrapped);
    const bool sent =
        writer.write(part_head(boundary, "application/pkcs8")) && writer.write(encoded) && writer.write(tail);
    explicit_bzero(encoded.data(), encoded.size());
    return sent;
  };
  return response;
}

Result<http::Response> fullcmc(EstCall&) {
  return Error{ErrorCode::kNotFound, reasons::kEstFullCmc, "use simpleenroll or simplereenroll"};
}

// Bouncy Castle's client looks at the first challenge only, and takes an answer whose Content-Length it did not read
// for a broken connection instead of sending its credentials: so Basic comes first, and the body in chunks.
http::Response challenge(http::Response problem) {
  problem.headers.emplace(problem.headers.begin(), "www-authenticate", R"(Basic realm="muster", charset="UTF-8")");
  problem.stream = [text = std::exchange(problem.body, {})](http::BodyWriter& writer) { return writer.write(text); };
  return problem;
}

http::Response answer(ApiContext& context, const http::Request& request, Handle handle) {
  static const Log log{"api"};
  auto response = [&]() -> Result<http::Response> {
    MUSTER_TRY(EstCall call, open_call(context, request));
    return handle(call);
  }();
  if (response.ok()) {
    response->headers.emplace_back("cache-control", "no-store");
    return std::move(*response);
  }
  const Error& error = response.error();
  const int status = http_status(error);
  if (status >= 500) {
    log.error("EST request failed", {{"request_id", request.request_id}, {"error", to_log_text(error)}});
  }
  http::Response problem = to_problem(error, request.request_id);
  return status == 401 ? challenge(std::move(problem)) : problem;
}

}  // namespace

void add_est(ApiContext& context, http::Router& router) {
  struct EstOperation {
    const char* method;
    const char* name;
    Handle handle;
  };
  constexpr EstOperation kOperations[] = {{"GET", "cacerts", cacerts},
                                          {"GET", "csrattrs", csrattrs},
                                          {"POST", "simpleenroll", simpleenroll},
                                          {"POST", "simplereenroll", simplereenroll},
                                          {"POST", "serverkeygen", serverkeygen},
                                          {"POST", "fullcmc", fullcmc}};
  for (const char* base :
       {"/.well-known/est/{tenant}/", "/.well-known/est/{tenant}/{label}/", "/{tenant}/.well-known/est/"}) {
    for (const EstOperation& operation : kOperations) {
      http::Route route;
      route.method = operation.method;
      route.pattern = std::string(base) + operation.name;
      route.max_body_bytes = route.method == "GET" ? 0 : kMaxRequestBytes;
      route.handler = [&context, handle = operation.handle](const http::Request& request) {
        return answer(context, request, handle);
      };
      router.add(std::move(route));
    }
  }
}

}  // namespace muster::api
