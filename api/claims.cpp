// SPDX-License-Identifier: Apache-2.0
//
// Claims are made by administrators: who holds one enrols devices, so a factory, which may enrol but not delegate,
// makes none.
#include "registry/claim_store.h"

#include <algorithm>

#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "enroll/device_pattern.h"
#include "enroll/ip_network.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/profile_store.h"
#include "registry/reasons.h"
#include "x509/certificate.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

constexpr std::int64_t kDefaultLifetimeSeconds = 86'400;
constexpr std::int64_t kMaxLifetimeSeconds = 366LL * 86'400;
constexpr std::size_t kMaxDescription = 256;

std::string claims_path(const Call& call) { return "/v1/tenants/" + call.tenant().name + "/claims"; }

void write_texts(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
  out.key(name).array([&] {
    for (const std::string& text : texts) out.value(text);
  });
}

void write_claim_fields(JsonWriter& out, const registry::Claim& claim) {
  const registry::ClaimTerms& terms = claim.terms;
  out.field("id", claim.id.text()).field("kind", to_string(terms.kind)).field("description", terms.description);
  write_texts(out, "devices", terms.devices);
  out.nullable("device_pattern", terms.device_pattern).nullable("group", terms.group);
  write_texts(out, "networks", terms.networks);
  out.field("profile", terms.profile)
      .field("create", terms.may_create)
      .field("reissue", terms.may_reissue)
      .field("max_uses", terms.max_uses)
      .field("uses", claim.uses)
      .field("created_by", claim.created_by)
      .field("created_at", to_rfc3339(claim.created_at))
      .field("expires_at", to_rfc3339(terms.expires_at))
      .nullable("revoked_at", claim.revoked_at ? to_rfc3339(*claim.revoked_at) : "");
}

void read_devices(JsonReader& body, registry::ClaimTerms& terms) {
  const auto devices = body.optional_strings("devices", registry::kMaxClaimDevices);
  const auto pattern = body.optional_string("device_pattern");
  terms.devices = devices.value_or(std::vector<std::string>{});
  terms.device_pattern = pattern.value_or("");
  terms.may_create = body.optional_bool("create").value_or(false);
  terms.may_reissue = body.optional_bool("reissue").value_or(false);
  if (pattern && !enroll::is_device_pattern(*pattern)) {
    body.fail("device_pattern", "1 to 128 letters, digits, '.', '_', '-' and '*'");
  }
  if (terms.devices.empty() == terms.device_pattern.empty()) {
    body.fail("devices", "the names of devices, or device_pattern");
  }
  if (terms.may_reissue && pattern) body.fail("reissue", "only with devices, not with a pattern");
}

void read_limits(JsonReader& body, registry::ClaimTerms& terms, UtcTime now) {
  terms.max_uses = body.optional_integer("max_uses").value_or(1);
  if (terms.max_uses < 1 || terms.max_uses > registry::kMaxClaimUses) {
    body.fail("max_uses", "1 to " + std::to_string(registry::kMaxClaimUses));
  }
  const std::int64_t lifetime = body.optional_integer("expires_in_seconds").value_or(kDefaultLifetimeSeconds);
  if (lifetime < 1 || lifetime > kMaxLifetimeSeconds) {
    body.fail("expires_in_seconds", "1 to " + std::to_string(kMaxLifetimeSeconds));
  }
  terms.expires_at = now + std::chrono::seconds{std::clamp<std::int64_t>(lifetime, 1, kMaxLifetimeSeconds)};
  terms.networks = body.optional_strings("networks", registry::kMaxClaimNetworks).value_or(std::vector<std::string>{});
}

struct ClaimOrder {
  registry::ClaimTerms terms;
  std::optional<std::string> certificate;  // PEM; empty: a secret is made
};

Result<ClaimOrder> read_order(const Call& call) {
  MUSTER_TRY(JsonReader body, call.json());
  ClaimOrder order;
  registry::ClaimTerms& terms = order.terms;
  terms.description = body.optional_string("description").value_or("");
  if (terms.description.size() > kMaxDescription) body.fail("description", "at most 256 octets");
  terms.group = body.optional_string("group").value_or("");
  terms.profile = body.optional_string("profile").value_or("device");
  if (!registry::is_profile_name(terms.profile)) body.fail("profile", "a profile's name");
  order.certificate = body.optional_string("certificate");
  read_devices(body, terms);
  read_limits(body, terms, call.now());
  MUSTER_TRY_VOID(body.finish());
  for (const std::string& device : terms.devices) MUSTER_TRY_VOID(DeviceName::parse(device));
  for (const std::string& network : terms.networks) MUSTER_TRY_VOID(enroll::IpNetwork::parse(network));
  if (!terms.group.empty()) MUSTER_TRY_VOID(registry::normalise_groups({terms.group}));
  if (order.certificate) terms.kind = registry::ClaimKind::kCertificate;
  return order;
}

// The hash by which a claim certificate is known. A certificate that we issued to a device is that device's.
Result<Sha256> read_certificate(const Call& call, const std::string& pem) {
  const auto unusable = [](const char* why) {
    return Error{ErrorCode::kInvalidArgument, reasons::kClaimCertificate, why};
  };
  MUSTER_TRY(const auto certificate, x509::Certificate::parse_pem(pem));
  if (certificate.is_ca()) return unusable("a CA's certificate");
  if (certificate.has_extended_key_usage() && !certificate.allows(x509::ExtendedKeyUsage::kClientAuth)) {
    return unusable("its extended key usage is not clientAuth");
  }
  if (certificate.not_after() < call.now()) return unusable("it has expired");
  MUSTER_TRY(const auto known, db::run_in_transaction(call.context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::find_certificate(tx, certificate.id(), call.now());
             }));
  if (known) return unusable("it was issued to a device");
  return certificate.id();
}

Result<http::Response> create(Call& call) {
  MUSTER_TRY(ClaimOrder order, read_order(call));
  registry::NewClaim claim{std::move(order.terms), {}, call.who.caller.audit_name()};
  FreshToken secret;
  if (order.certificate) {
    MUSTER_TRY(claim.sha256, read_certificate(call, *order.certificate));
  } else {
    secret = make_claim_secret();
    claim.sha256 = secret.sha256;
  }
  MUSTER_TRY(
      const registry::Claim made,
      db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<registry::Claim> {
        MUSTER_TRY(auto row, registry::create_claim(tx, call.tenant().id, claim));
        auto event = call.event("claim.create", "claim:" + row.id.text(), "");
        event.detail.emplace_back(registry::AuditField::kCount, std::to_string(row.terms.max_uses));
        event.detail.emplace_back(registry::AuditField::kNotAfter, to_rfc3339(row.terms.expires_at));
        MUSTER_TRY_VOID(append_event(tx, event));
        return row;
      }));
  JsonWriter out;
  out.object([&] {
    write_claim_fields(out, made);
    if (!order.certificate) out.field("claim", secret.text);
  });
  http::Response response = http::json_response(201, out.take());
  response.headers.emplace_back("location", claims_path(call) + "/" + made.id.text());
  return response;
}

Result<ClaimId> id_of_path(const Call& call) {
  const auto id = ClaimId::parse(call.request.parameter("claim"));
  if (!id.ok()) return Error{ErrorCode::kNotFound, registry::kClaimNotFound, ""};
  return *id;
}

Result<http::Response> get(Call& call) {
  MUSTER_TRY(const ClaimId id, id_of_path(call));
  MUSTER_TRY(const auto claim, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::get_claim(tx, call.tenant().id, id);
             }));
  JsonWriter out;
  out.object([&] { write_claim_fields(out, claim); });
  return http::json_response(200, out.take());
}

Result<http::Response> list(Call& call) {
  MUSTER_TRY(const auto page, call.page());
  MUSTER_TRY(const auto claims, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_claims(tx, call.tenant().id, page);
             }));
  return page_response(claims, [](JsonWriter& out, const registry::Claim& claim) {
    out.object([&] { write_claim_fields(out, claim); });
  });
}

Result<http::Response> revoke(Call& call) {
  MUSTER_TRY(const ClaimId id, id_of_path(call));
  MUSTER_TRY_VOID(db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) -> Result<void> {
    MUSTER_TRY_VOID(registry::revoke_claim(tx, call.tenant().id, id, call.now()));
    return append_event(tx, call.event("claim.revoke", "claim:" + id.text(), ""));
  }));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_claims(Operations& operations) {
  const std::string path = "/v1/tenants/{tenant}/claims";
  operations.push_back({"POST", path, Action::kClaimWrite, create, Replay::kRefuse});
  operations.push_back({"GET", path, Action::kClaimRead, list, Replay::kNone, {"limit", "cursor"}});
  operations.push_back({"GET", path + "/{claim}", Action::kClaimRead, get});
  operations.push_back({"DELETE", path + "/{claim}", Action::kClaimWrite, revoke});
}

}  // namespace muster::api
