// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a device root whose key never comes near a server: the platform CA's key is made here, its request goes out,
// and the signed chain comes back. Until then the server runs, but nothing that needs the platform CA is issued
// (enroll.intermediate_missing). docs/offline-root.md shows both sides.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "enroll/authority_context.h"
#include "registry/issuer_store.h"

namespace muster::enroll {

class RegistrationAuthority;

// Makes the key of a platform CA that is to be signed elsewhere, unless one is waiting already. See
// RegistrationAuthority::initialise_deployment.
Result<void> ensure_requested_intermediate(AuthorityContext& context);

// OfflineRoot is for the host of a server, with its keys and its database. Thread-safe.
class OfflineRoot {
 public:
  // initialise_deployment must have succeeded.
  explicit OfflineRoot(RegistrationAuthority& authority);

  // The request of the platform CA that waits for its certificate, PEM. Reason: issuer.not_found (none does).
  Result<std::string> request_pem() const;

  // Takes the platform CA's certificate, PEM: it, then those above it, the root last. From then on it signs; the one
  // that signed before goes to retiring. Reasons: those of check_issuer_chain (path length 2, names of any tenant of
  // the trust domain), issuer.not_found (no platform CA waits for a certificate).
  Result<registry::Issuer> install(std::string_view chain_pem) const;

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
