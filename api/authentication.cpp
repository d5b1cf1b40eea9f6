// SPDX-License-Identifier: Apache-2.0
#include "api/authentication.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "api/holder_desk.h"
#include "api/reasons.h"
#include "core/encoding.h"
#include "core/random.h"
#include "enroll/external_device.h"
#include "enroll/reasons.h"
#include "enroll/reenrolment.h"
#include "registry/certificate_store.h"
#include "registry/claim_store.h"
#include "registry/issuer_store.h"
#include "registry/reasons.h"
#include "registry/token_store.h"
#include "x509/chain_verifier.h"
#include "x509/device_chain.h"
#include "x509/sha256.h"

namespace muster::api {
namespace {

constexpr std::string_view kTokenPrefix = "mst_";
constexpr std::string_view kClaimPrefix = "mcl_";
constexpr std::size_t kTokenOctets = 32;
constexpr std::size_t kTokenLength = 4 + 43;  // base64url of 32 octets without padding

Error unauthenticated(std::string_view reason, std::string detail = "") {
  return {ErrorCode::kUnauthenticated, reason, std::move(detail)};
}

// One answer to every claim that is refused, here as in enroll/.
Error claim_refused() { return {ErrorCode::kPermissionDenied, enroll::reasons::kClaimRefused, ""}; }

Result<std::string_view> after_scheme(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size()) return unauthenticated(reasons::kAuthMalformed);
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(header[i])) != scheme[i]) {
      return unauthenticated(reasons::kAuthMalformed);
    }
  }
  return header.substr(scheme.size());
}

// Who a claim makes its holder. What the claim covers, and whether it is still good, is decided where it is redeemed.
Authenticated holder_of(const registry::Claim& claim, const registry::Tenant& tenant) {
  Authenticated who;
  who.caller.role = enroll::CallerRole::kClaim;
  who.caller.tenant = claim.tenant_id;
  who.caller.claim = claim.id;
  who.tenant_name = tenant.name;
  who.tenant_of_path = tenant;  // no other is a claim's holder let into
  who.profile = claim.terms.profile;
  return who;
}

Result<Authenticated> by_claim_secret(ApiContext& context, std::string_view secret) {
  if (secret.size() != kTokenLength || secret.rfind(kClaimPrefix, 0) != 0) return claim_refused();
  const Sha256 sha256 = x509::sha256(as_bytes(secret));
  using Holder = Result<Authenticated>;
  return db::run_in_transaction(context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) -> Holder {
    MUSTER_TRY(const auto claim, registry::find_claim_of_any_tenant(tx, sha256));
    if (!claim) return claim_refused();
    MUSTER_TRY(const auto tenant, registry::get_tenant_by_id(tx, claim->tenant_id));
    if (tenant.status != registry::TenantStatus::kActive) return claim_refused();
    return holder_of(*claim, tenant);
  });
}

// RFC 7617: "Basic " base64(user ":" password).
Result<Authenticated> by_basic(ApiContext& context, std::string_view header) {
  MUSTER_TRY(const std::string_view encoded, after_scheme(header, "basic "));
  const auto octets = from_base64(encoded);
  if (!octets.ok()) return unauthenticated(reasons::kAuthMalformed);
  const std::string_view text = as_text(*octets);
  const std::size_t colon = text.find(':');
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (colon == std::string_view::npos || !is_utf8(text) || std::any_of(text.begin(), text.end(), is_control)) {
    return unauthenticated(reasons::kAuthMalformed);
  }
  MUSTER_TRY(Authenticated who, by_claim_secret(context, text.substr(colon + 1)));
  who.basic_user = text.substr(0, colon);
  return who;
}

enroll::CallerRole role_of(registry::TokenRole role) {
  switch (role) {
    case registry::TokenRole::kPlatformAdmin: return enroll::CallerRole::kPlatformAdmin;
    case registry::TokenRole::kTenantAdmin: return enroll::CallerRole::kTenantAdmin;
    case registry::TokenRole::kFactory: return enroll::CallerRole::kFactory;
    case registry::TokenRole::kAuditor: return enroll::CallerRole::kAuditor;
    case registry::TokenRole::kApplication: return enroll::CallerRole::kApplication;
    case registry::TokenRole::kBroker: return enroll::CallerRole::kBroker;
  }
  return enroll::CallerRole::kApplication;
}

Result<Authenticated> by_token(ApiContext& context, std::string_view header, const AlsoAccepted& also) {
  MUSTER_TRY(const std::string_view text, after_scheme(header, "bearer "));
  if (text.rfind(kClaimPrefix, 0) == 0) return by_claim_secret(context, text);
  MUSTER_TRY(const Sha256 sha256, hash_token(text));
  Authenticated who;
  using Holder = Result<registry::TokenHolder>;
  const auto look_up = [&](db::Transaction& tx) -> Holder {
    if (!also.tenant_of_path) return registry::find_token_holder(tx, sha256, context.clock.now());
    const auto asked = registry::ask_tenant(tx, *also.tenant_of_path);
    MUSTER_TRY(auto found, registry::find_token_holder(tx, sha256, context.clock.now()));
    MUSTER_TRY(who.tenant_of_path, asked.get());
    return found;
  };
  MUSTER_TRY(const registry::TokenHolder holder,
             db::run_in_transaction(context.pool, db::Scope::system().reading(), look_up));
  who.caller.role = role_of(holder.role);
  who.caller.token = holder.id;
  if (!holder.tenant_id.is_nil()) {
    if (holder.tenant_status != registry::TenantStatus::kActive) {
      return Error{ErrorCode::kPermissionDenied, reasons::kAuthTenant, "the tenant is not active"};
    }
    who.caller.tenant = holder.tenant_id;
    who.tenant_name = holder.tenant_name;
  }
  return who;
}

Error not_listed() {
  return unauthenticated(reasons::kAuthCertificate, "the client certificate is not listed as active");
}

// `renewable`: one that expired and may still ask for its successor counts as well. Scope on entry and after: system.
Result<registry::CertificateRow> listed_certificate(ApiContext& context, db::Transaction& tx, BytesView der,
                                                    bool renewable) {
  const UtcTime now = context.clock.now();
  MUSTER_TRY(auto row, registry::find_certificate(tx, x509::sha256(der), now));
  if (!row) return not_listed();
  if (row->status == registry::CertificateStatus::kActive) return std::move(*row);
  if (!renewable) return not_listed();
  MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(row->tenant_id)));
  MUSTER_TRY(const bool allowed, enroll::may_reenroll_expired(tx, *row, now));
  MUSTER_TRY_VOID(tx.enter(db::Scope::system()));
  if (!allowed) return not_listed();
  return std::move(*row);
}

bool within_own_times(BytesView der, UtcTime now) {
  const auto certificate = x509::Certificate::parse_der(der);
  return certificate.ok() && certificate->not_before() <= now && now <= certificate->not_after();
}

// The claim of `tenant` that this client certificate is; empty: it is none. Known by its exact hash, so no path is
// asked for; its own times count.
Result<std::optional<Authenticated>> by_claim_certificate(ApiContext& context, const TenantId& tenant, BytesView der) {
  using Holder = std::optional<Authenticated>;
  if (!within_own_times(der, context.clock.now())) return Holder{};
  return db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<Holder> {
    MUSTER_TRY(const auto row, registry::get_tenant_by_id(tx, tenant));
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(const auto claim,
               registry::find_claim(tx, tenant, registry::ClaimKind::kCertificate, x509::sha256(der)));
    if (!claim || row.status != registry::TenantStatus::kActive) return Holder{};
    return Holder{holder_of(*claim, row)};
  });
}

// The device of `tenant` whom the chain proves by the tenant's own PKI; empty: none.
Result<std::optional<Authenticated>> by_trust_anchor(ApiContext& context, const TenantId& tenant,
                                                     const std::vector<Bytes>& chain) {
  using Found = std::optional<Authenticated>;
  return db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<Found> {
    MUSTER_TRY(const auto row, registry::get_tenant_by_id(tx, tenant));
    if (row.status != registry::TenantStatus::kActive) return Found{};
    MUSTER_TRY_VOID(tx.enter(db::Scope::of_tenant(tenant)));
    MUSTER_TRY(const auto device, enroll::find_external_device(tx, tenant, chain, context.clock.now()));
    if (!device) return Found{};
    Authenticated who;
    who.caller.role = enroll::CallerRole::kDevice;
    who.caller.tenant = tenant;
    who.caller.device = device->id;
    who.caller.external_chain = chain;
    who.tenant_name = row.name;
    who.device_name = device->name;
    return Found{std::move(who)};
  });
}

Result<Authenticated> by_listed_certificate(ApiContext& context, const http::Request& request,
                                            const AlsoAccepted& also) {
  const BytesView der = request.peer_chain.front();
  const Sha256 id = x509::sha256(der);
  MUSTER_TRY(auto found, context.holders.find({id, also.tenant_of_path}));
  if (!found.holder) return not_listed();
  registry::CertificateHolder& holder = *found.holder;
  if (!holder.certificate_is_active) {
    MUSTER_TRY_VOID(db::run_in_transaction(context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) {
      return listed_certificate(context, tx, der, also.expired_certificates);
    }));
  }
  if (!holder.tenant_is_active) {
    return Error{ErrorCode::kPermissionDenied, reasons::kAuthTenant, "the tenant is not active"};
  }
  if (!holder.device_is_active) {
    return Error{ErrorCode::kPermissionDenied, reasons::kAuthDevice, "the device is not active"};
  }
  Authenticated who;
  who.caller.role = enroll::CallerRole::kDevice;
  who.caller.tenant = holder.tenant_id;
  who.caller.device = holder.device_id;
  who.caller.device_certificate_id = id;
  who.tenant_name = std::move(holder.tenant_name);
  who.device_name = std::move(holder.device_name);
  who.tenant_of_path = std::move(found.tenant);
  return who;
}

Result<Authenticated> by_certificate(ApiContext& context, const http::Request& request, const AlsoAccepted& also) {
  auto listed = by_listed_certificate(context, request, also);
  if (listed.ok() || !also.claims_of || listed.error().reason != reasons::kAuthCertificate) return listed;
  MUSTER_TRY(auto claim, by_claim_certificate(context, *also.claims_of, request.peer_chain.front()));
  if (claim) return std::move(*claim);
  MUSTER_TRY(auto external, by_trust_anchor(context, *also.claims_of, request.peer_chain));
  if (external) return std::move(*external);
  return listed;
}

Result<Authenticated> identify(ApiContext& context, const http::Request& request, const AlsoAccepted& also) {
  std::optional<Authenticated> device;
  // Also where a token is sent: a certificate that is not valid any more is an error, never ignored.
  if (!request.peer_chain.empty()) {
    MUSTER_TRY(device, by_certificate(context, request, also));
  }
  const auto header = also.only_certificates ? std::nullopt : request.header("authorization");
  if (header && also.claims_of && after_scheme(*header, "basic ").ok()) return by_basic(context, *header);
  if (header) return by_token(context, *header, also);
  if (device) return std::move(*device);
  return unauthenticated(reasons::kAuthRequired, "send a bearer token or use a device's client certificate");
}

Error rate_limited() { return {ErrorCode::kResourceExhausted, reasons::kRateLimited, "too many requests"}; }

}  // namespace

FreshToken make_token() {
  FreshToken token;
  token.text = std::string{kTokenPrefix} + to_base64url(random_bytes(kTokenOctets));
  token.sha256 = x509::sha256(as_bytes(token.text));
  return token;
}

Result<Sha256> hash_token(std::string_view text) {
  if (text.size() != kTokenLength || text.rfind(kTokenPrefix, 0) != 0) {
    return unauthenticated(registry::kTokenInvalid);
  }
  return x509::sha256(as_bytes(text));
}

FreshToken make_claim_secret() {
  FreshToken secret;
  secret.text = std::string{kClaimPrefix} + to_base64url(random_bytes(kTokenOctets));
  secret.sha256 = x509::sha256(as_bytes(secret.text));
  return secret;
}

Result<Authenticated> authenticate(ApiContext& context, const http::Request& request, const AlsoAccepted& also) {
  const auto now = std::chrono::steady_clock::now();
  auto who = identify(context, request, also);
  if (!who.ok()) {
    // Only failures count against the source: many honest callers may share one address.
    if (!context.by_source.take(request.remote_address, now)) return rate_limited();
    return who;
  }
  who->caller.request_id = request.request_id;
  who->caller.source_address = request.remote_address;
  if (!also.counted_elsewhere && !context.by_caller.take(who->caller.audit_name(), now)) return rate_limited();
  return who;
}

Result<void> verify_device_certificate(ApiContext& context, const std::vector<Bytes>& chain) {
  std::optional<registry::CertificateRow> row;
  std::optional<registry::Issuer> issuer;
  bool is_known_otherwise = false;  // a claim, or a device of a tenant's own PKI: of use on EST's paths only
  const UtcTime now = context.clock.now();
  MUSTER_TRY_VOID(db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<void> {
    auto listed = listed_certificate(context, tx, chain.front(), true);
    if (!listed.ok()) {
      MUSTER_TRY(const bool claim, registry::is_open_claim_certificate(tx, x509::sha256(chain.front()), now));
      is_known_otherwise = claim && within_own_times(chain.front(), now);
      if (!is_known_otherwise) {
        MUSTER_TRY(is_known_otherwise, enroll::is_external_device(tx, chain, now));
      }
      return is_known_otherwise ? Result<void>{} : std::move(listed).error();
    }
    row = std::move(*listed);
    MUSTER_TRY(issuer, registry::get_issuer(tx, row->issuer_id));
    return {};
  }));
  if (is_known_otherwise) return {};
  if (issuer->status == registry::IssuerStatus::kRetired || issuer->tenant_id != row->tenant_id) {
    return unauthenticated(reasons::kAuthCertificate, "the issuer vouches for nobody any more");
  }
  MUSTER_TRY(const x509::TrustAnchor anchor, x509::TrustAnchor::parse_der(issuer->certificate));
  const std::vector<BytesView> intermediates{chain.begin() + 1, chain.end()};
  MUSTER_TRY(const auto verified, x509::verify_device_chain({.leaf = chain.front(),
                                                             .intermediates = intermediates,
                                                             .anchors = std::span{&anchor, 1},
                                                             .trust_domain = context.trust_domain,
                                                             .now = std::min(now, row->not_after)}));
  (void)verified;  // the identity used is the registry's, found by the certificate's hash
  return {};
}

Result<void> verify_infrastructure_certificate(ApiContext& context, const std::vector<Bytes>& chain) {
  MUSTER_TRY(const auto root, x509::Certificate::parse_pem(context.authority.infrastructure_root_pem()));
  MUSTER_TRY(const x509::TrustAnchor anchor, x509::TrustAnchor::parse_der(root.der()));
  MUSTER_TRY(const auto leaf, x509::Certificate::parse_der(chain.front()));
  std::vector<x509::Certificate> intermediates;
  for (std::size_t i = 1; i < chain.size(); ++i) {
    MUSTER_TRY(auto intermediate, x509::Certificate::parse_der(chain[i]));
    intermediates.push_back(std::move(intermediate));
  }
  const auto report = x509::verify_chain(
      leaf, intermediates, std::span{&anchor, 1},
      {.purpose = x509::ChainPurpose::kTlsClient, .trust_domain = context.trust_domain, .now = context.clock.now()});
  if (report.valid()) return {};
  return unauthenticated(reasons::kAuthCertificate, std::string{report.findings.front().reason});
}

Result<registry::Edge> authenticate_edge(ApiContext& context, const http::Request& request) {
  if (request.peer_chain.empty()) return unauthenticated(reasons::kAuthCertificate);
  const Sha256 id = x509::sha256(request.peer_chain.front());
  MUSTER_TRY(auto edge, db::run_in_transaction(context.pool, db::Scope::system().reading(), [&](db::Transaction& tx) {
               return registry::find_edge_by_certificate(tx, id, context.clock.now());
             }));
  if (!edge) return unauthenticated(reasons::kAuthCertificate, "no edge may use this certificate now");
  return std::move(*edge);
}

}  // namespace muster::api
