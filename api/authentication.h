// SPDX-License-Identifier: Apache-2.0
//
// Purpose: who is calling. A bearer token, or a device's client certificate that was proved in this connection's
// handshake; status and revocation are looked up for every request, because a connection may outlive both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/context.h"
#include "core/result.h"
#include "enroll/caller.h"
#include "http/message.h"
#include "registry/edge_store.h"
#include "registry/tenant_store.h"

namespace muster::api {

struct Authenticated {
  enroll::Caller caller;
  std::string tenant_name;                         // empty for the platform's
  std::string device_name;                         // of a device
  std::string profile;                             // that a claim enrols under; empty for everybody else
  std::string basic_user;                          // of HTTP Basic: as sent, UTF-8 without control characters
  std::optional<registry::Tenant> tenant_of_path;  // looked up on the way (AlsoAccepted), whoever's it is
};

// What EST takes besides bearer tokens, claims and active certificates. Elsewhere each of these is refused.
struct AlsoAccepted {
  std::optional<TenantName> tenant_of_path{};  // to be looked up in the same round trip as a token or certificate
  // Claim certificates of that tenant, certificates of its own PKI, and HTTP Basic with a claim as password.
  std::optional<TenantId> claims_of{};
  bool only_certificates = false;     // no Authorization header is looked at
  bool expired_certificates = false;  // those that may still be renewed (enroll/reenrolment.h)
  bool counted_elsewhere = false;     // the caller's rate is limited by the route itself
};

// Reasons: auth.required, auth.malformed, token.invalid, auth.certificate_invalid, auth.tenant_inactive,
// auth.device_inactive, claim.refused, request.rate_limited.
Result<Authenticated> authenticate(ApiContext& context, const http::Request& request, const AlsoAccepted& also = {});

// verify_device_certificate decides in the handshake about a client certificate on the REST listener: the registry
// lists it as issued and unrevoked, and its path leads to the issuer that the registry names for it. Let through as
// well, to be of use on EST's paths only: a certificate that expired and may be renewed, a claim certificate, and one
// of a tenant's own PKI that proves a registered device. Reasons: auth.certificate_invalid, certificate.*, chain.*,
// database.*.
Result<void> verify_device_certificate(ApiContext& context, const std::vector<Bytes>& chain);

// verify_infrastructure_certificate decides about the certificates of edges: a path to the infrastructure root.
Result<void> verify_infrastructure_certificate(ApiContext& context, const std::vector<Bytes>& chain);

// The edge of this connection, if it may still do anything now. Reason: auth.certificate_invalid.
Result<registry::Edge> authenticate_edge(ApiContext& context, const http::Request& request);

// A new bearer token or join token: "mst_" and 32 random octets, and what the registry keeps of it.
struct FreshToken {
  std::string text;
  Sha256 sha256{};
};
FreshToken make_token();
// Reason: token.invalid, also for what cannot be a token.
Result<Sha256> hash_token(std::string_view text);

// A new claim's secret: "mcl_" and 32 random octets.
FreshToken make_claim_secret();

}  // namespace muster::api
