// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the life of a tenant's issuing CAs, as its administrators steer it:
//
//   internal:     prepare → active → retiring → retired      (signed by the platform's CA)
//   subordinate:  requested → prepare → active → …           (signed by a CA of the customer's)
//
// One of a slot is active. Edges trust an issuer from prepare to retiring, so that devices which come with a
// certificate of the new one are let in from the first on, and those of the old one until it is retired. Changes reach
// the edges in one ordered stream: an edge that knows a certificate knows its issuer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/result.h"
#include "enroll/caller.h"
#include "registry/issuer_store.h"
#include "x509/key_kind.h"

namespace muster::db {
class Transaction;
}

namespace muster::enroll {

class RegistrationAuthority;
struct AuthorityContext;

inline constexpr std::size_t kMaxIssuersInUse = 16;      // of a tenant, not retired
inline constexpr std::size_t kMaxIssuersEver = 256;      // a tenant's rows stay bounded
inline constexpr std::size_t kMaxCrossCertificates = 4;  // of an issuer

struct NewIssuer {
  registry::IssuerOrigin origin = registry::IssuerOrigin::kInternal;
  x509::KeyKind key_kind = x509::KeyKind::kP256;
  std::string slot{registry::kDefaultSlot};
  std::string name{};                 // for people
  std::int64_t validity_seconds = 0;  // internal only; 0: ten years; never beyond the platform CA's own end
};

enum class Force : std::uint8_t { kNo, kYes };

// IssuerDesk answers one request; make one on the spot. Everything asks for a tenant admin of `tenant` or the
// platform's (enroll.caller_forbidden), and gives issuer.not_found for an issuer of anybody else. Thread-safe.
class IssuerDesk {
 public:
  explicit IssuerDesk(RegistrationAuthority& authority);

  // Reasons: issuer.slot_invalid, issuer.too_many, enroll.tenant_inactive, enroll.intermediate_missing,
  // key.algorithm_unavailable, profile.invalid.
  Result<registry::Issuer> create(const Caller& caller, const TenantId& tenant, const NewIssuer& wanted) const;

  // The certification request for the issuer's key, PEM; at any time.
  Result<std::string> request_pem(const Caller& caller, const TenantId& tenant, const IssuerId& id) const;

  // Gives a requested issuer the certificate that another CA signed; it is then in prepare.
  // Reasons: those of check_issuer_chain, issuer.status_invalid.
  Result<registry::Issuer> install(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                   std::string_view chain_pem) const;

  // Moves an issuer on. Activating one moves the active one of its slot to retiring, in the same transaction. Setting
  // the status that it has does nothing. Reasons: issuer.status_invalid, issuer.certificate_missing,
  // issuer.not_valid_now, issuer.last_active (active to retiring leaves the slot without a signer; kYes overrides),
  // issuer.in_use (certificates of it would be refused from then on; kYes overrides).
  Result<registry::Issuer> set_status(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                      registry::IssuerStatus status, Force force) const;

  // Stores another certificate for the issuer's key, for relying parties that trust another root. It must have the
  // issuer's subject name. Reasons: those of check_issuer_chain, issuer.certificate_missing, issuer.subject_differs,
  // issuer.too_many.
  Result<registry::CrossCertificate> add_cross_certificate(const Caller& caller, const TenantId& tenant,
                                                           const IssuerId& id, std::string_view chain_pem) const;
  // Reason: issuer.cross_certificate_not_found.
  Result<void> remove_cross_certificate(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                        const Sha256& cross) const;

 private:
  Result<void> move(db::Transaction& tx, const Caller& caller, const registry::Issuer& issuer,
                    registry::IssuerStatus status, Force force) const;
  Result<void> step(db::Transaction& tx, const Caller& caller, const registry::Issuer& issuer,
                    registry::IssuerStatus status, std::size_t certificates) const;

  AuthorityContext& context_;
};

}  // namespace muster::enroll
