// SPDX-License-Identifier: Apache-2.0
#include "registry/issuer_store.h"

#include "api/issuers.h"
#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "enroll/incident_desk.h"
#include "enroll/issuer_desk.h"
#include "registry/reasons.h"
#include "x509/key_kind.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

constexpr std::int64_t kLeastValidity = 86'400;
constexpr std::int64_t kMostValidity = 40LL * 365 * 86'400;

std::string pem_of(const Bytes& der) { return der.empty() ? "" : x509::write_pem("CERTIFICATE", der); }

std::string pem_of(const std::vector<Bytes>& chain) {
  std::string text;
  for (const Bytes& der : chain) text.append(pem_of(der));
  return text;
}

void write_issuer(JsonWriter& out, const registry::Issuer& issuer) {
  const bool certified = !issuer.certificate.empty();
  out.object([&] {
    out.field("id", issuer.id.text())
        .field("kind", to_string(issuer.origin))
        .field("slot", issuer.slot)
        .field("name", issuer.name)
        .field("status", to_string(issuer.status))
        .field("spki_sha256", to_hex(issuer.spki_sha256))
        .nullable("certificate", pem_of(issuer.certificate))
        .field("chain", pem_of(issuer.chain))
        .nullable("not_before", certified ? to_rfc3339(issuer.not_before) : "")
        .nullable("not_after", certified ? to_rfc3339(issuer.not_after) : "")
        .nullable("request",
                  certified || issuer.request.empty() ? "" : x509::write_pem("CERTIFICATE REQUEST", issuer.request))
        .field("created_at", to_rfc3339(issuer.created_at));
  });
}

http::Response issuer_response(int status, const registry::Issuer& issuer) {
  JsonWriter out;
  write_issuer(out, issuer);
  return http::json_response(status, out.take());
}

// A tenant has a bounded number of issuers: one page, no cursor.
Result<http::Response> list(Call& call) {
  registry::Page<registry::Issuer> page;
  MUSTER_TRY(page.items, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_issuers(tx, call.tenant().id);
             }));
  return page_response(page, write_issuer);
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  MUSTER_TRY(const auto issuer, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_issuer_of(tx, call.tenant().id, id);
             }));
  return issuer_response(200, issuer);
}

Result<enroll::NewIssuer> read_new_issuer(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  enroll::NewIssuer wanted;
  const std::string kind = body.required_string("kind");
  const auto key = body.optional_string("key_algorithm");
  wanted.slot = body.optional_string("slot").value_or(wanted.slot);
  wanted.name = body.optional_string("name").value_or("");
  const auto validity = body.optional_integer("validity_seconds");
  wanted.origin = kind == "subordinate" ? registry::IssuerOrigin::kSubordinate : registry::IssuerOrigin::kInternal;
  if (kind != "internal" && kind != "subordinate") body.fail("kind", "internal or subordinate");
  if (key) {
    const auto parsed = x509::parse_key_kind(*key);
    wanted.key_kind = parsed.value_or(wanted.key_kind);
    if (!parsed) body.fail("key_algorithm", "p-256, p-384, ed25519, rsa-2048, rsa-3072, rsa-4096 or ml-dsa-44/65/87");
  }
  if (wanted.name.size() > registry::kMaxIssuerName) body.fail("name", "at most 128 octets");
  if (validity && kind == "subordinate") body.fail("validity_seconds", "left out: your CA decides");
  if (validity && (*validity < kLeastValidity || *validity > kMostValidity)) {
    body.fail("validity_seconds", "86400 to " + std::to_string(kMostValidity));
  }
  wanted.validity_seconds = validity.value_or(0);
  MUSTER_TRY_VOID(body.finish());
  return wanted;
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(const auto wanted, read_new_issuer(call));
  MUSTER_TRY(const auto issuer,
             enroll::IssuerDesk(call.context.authority).create(call.who.caller, call.tenant().id, wanted));
  http::Response response = issuer_response(201, issuer);
  response.headers.emplace_back("location", "/v1/tenants/" + call.tenant().name + "/issuers/" + issuer.id.text());
  return response;
}

Result<http::Response> update(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  MUSTER_TRY(JsonReader body, call.json());
  const auto status = registry::parse_issuer_status(body.required_string("status"));
  const bool force = body.optional_bool("force").value_or(false);
  // A certificate alone makes requested into prepare.
  const bool reachable =
      status && *status != registry::IssuerStatus::kRequested && *status != registry::IssuerStatus::kPrepare;
  if (!reachable) body.fail("status", "active, retiring or retired");
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY(const auto issuer, enroll::IssuerDesk(call.context.authority)
                                    .set_status(call.who.caller, call.tenant().id, id, *status,
                                                force ? enroll::Force::kYes : enroll::Force::kNo));
  return issuer_response(200, issuer);
}

Result<http::Response> request(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  MUSTER_TRY(const std::string pem,
             enroll::IssuerDesk(call.context.authority).request_pem(call.who.caller, call.tenant().id, id));
  JsonWriter out;
  out.object([&] { out.field("request", pem); });
  return http::json_response(200, out.take());
}

Result<std::string> read_chain(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  std::string chain = body.required_string("chain");
  MUSTER_TRY_VOID(body.finish());
  return chain;
}

Result<http::Response> install(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  MUSTER_TRY(const std::string chain, read_chain(call));
  MUSTER_TRY(const auto issuer,
             enroll::IssuerDesk(call.context.authority).install(call.who.caller, call.tenant().id, id, chain));
  return issuer_response(200, issuer);
}

Result<http::Response> reissue(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  enroll::NewIncident wanted;
  wanted.issuer = id;
  if (call.request.body.size() > 0) {
    MUSTER_TRY(JsonReader body, call.json());
    wanted.reason = body.optional_string("reason").value_or("");
    if (wanted.reason.size() > registry::kMaxIncidentReason) body.fail("reason", "at most 256 octets");
    MUSTER_TRY_VOID(body.finish());
  }
  MUSTER_TRY(const auto incident,
             enroll::IncidentDesk(call.context.authority).open(call.who.caller, call.tenant().id, wanted));
  return incident_response(call, incident);
}

void write_cross(JsonWriter& out, const registry::CrossCertificate& cross) {
  out.object([&] {
    out.field("id", to_hex(cross.id))
        .field("certificate", pem_of(cross.certificate))
        .field("chain", pem_of(cross.chain))
        .field("not_before", to_rfc3339(cross.not_before))
        .field("not_after", to_rfc3339(cross.not_after))
        .field("created_at", to_rfc3339(cross.created_at));
  });
}

Result<http::Response> list_cross(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  using Crosses = std::vector<registry::CrossCertificate>;
  registry::Page<registry::CrossCertificate> page;
  MUSTER_TRY(page.items,
             db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<Crosses> {
               MUSTER_TRY_VOID(registry::get_issuer_of(tx, call.tenant().id, id));
               return registry::list_cross_certificates(tx, call.tenant().id, id);
             }));
  return page_response(page, write_cross);
}

Result<http::Response> add_cross(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  MUSTER_TRY(const std::string chain, read_chain(call));
  MUSTER_TRY(
      const auto cross,
      enroll::IssuerDesk(call.context.authority).add_cross_certificate(call.who.caller, call.tenant().id, id, chain));
  JsonWriter out;
  write_cross(out, cross);
  return http::json_response(201, out.take());
}

Result<http::Response> remove_cross(Call& call) {
  MUSTER_TRY(const IssuerId id, issuer_of_path(call));
  const auto hash = from_hex(call.request.parameter("certificate"));
  if (!hash.ok() || hash->size() != Sha256{}.size()) {
    return Error{ErrorCode::kNotFound, registry::kCrossCertificateNotFound, ""};
  }
  Sha256 cross{};
  std::copy(hash->begin(), hash->end(), cross.begin());
  MUSTER_TRY_VOID(enroll::IssuerDesk(call.context.authority)
                      .remove_cross_certificate(call.who.caller, call.tenant().id, id, cross));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

Result<IssuerId> issuer_of_path(const Call& call) {
  auto id = IssuerId::parse(call.request.parameter("issuer"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kIssuerNotFound, ""};
  return *id;
}

void add_issuers(Operations& operations) {
  const std::string all = "/v1/tenants/{tenant}/issuers";
  const std::string one = all + "/{issuer}";
  const std::string crosses = one + "/cross-certificates";
  operations.push_back({"GET", all, Action::kIssuerRead, list});
  operations.push_back({"POST", all, Action::kIssuerWrite, create, Replay::kAnswer});
  operations.push_back({"GET", one, Action::kIssuerRead, get});
  operations.push_back({"PATCH", one, Action::kIssuerWrite, update, Replay::kAnswer});
  operations.push_back({"GET", one + "/request", Action::kIssuerWrite, request});
  operations.push_back({"PUT", one + "/certificate", Action::kIssuerWrite, install, Replay::kAnswer});
  operations.push_back({"POST", one + "/reissue", Action::kIssuerWrite, reissue, Replay::kAnswer});
  operations.push_back({"GET", crosses, Action::kIssuerRead, list_cross});
  operations.push_back({"POST", crosses, Action::kIssuerWrite, add_cross, Replay::kAnswer});
  operations.push_back({"DELETE", crosses + "/{certificate}", Action::kIssuerWrite, remove_cross});
}

}  // namespace muster::api
