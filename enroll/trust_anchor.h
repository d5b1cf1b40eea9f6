// SPDX-License-Identifier: Apache-2.0
//
// Purpose: trust anchors of a tenant's own PKI. A tenant shows that a CA's key is its own by having that key sign a
// certificate that carries a one-time code; until then the anchor admits nobody and no edge hears of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/device_id_source.h"
#include "core/id.h"
#include "core/result.h"
#include "enroll/authority_context.h"
#include "enroll/caller.h"
#include "registry/trust_anchor_store.h"
#include "x509/external_chain.h"

namespace muster::enroll {

struct NewTrustAnchor {
  std::string certificates_pem;  // the anchor, then its intermediates (4 at most)
  DeviceIdSource source = DeviceIdSource::kCommonName;
  std::string prefix;
  registry::SelfRegistration self_registration;
  registry::ExpiredCrlRule expired_crl = registry::ExpiredCrlRule::kFailClosed;
  registry::CrlSource crl;
};

struct MadeTrustAnchor {
  registry::TrustAnchorRow row;
  std::string code;  // shown once; only its hash is kept
};

struct TrustAnchorUpdate {  // absent: stays as it is
  std::optional<registry::TrustAnchorStatus> status;
  std::optional<registry::SelfRegistration> self_registration;
  std::optional<registry::ExpiredCrlRule> expired_crl;
  std::optional<registry::CrlSource> crl;
};

// TrustAnchors: all for a tenant admin of `tenant` or the platform's (enroll.caller_forbidden otherwise); every change
// is audited. Thread-safe; made on the spot.
class TrustAnchors {
 public:
  explicit TrustAnchors(RegistrationAuthority& authority) : context_(authority.context()) {}

  // Reasons: trust_anchor.invalid, .not_a_ca, .not_valid, .key_weak, .key_refused, .intermediate_unsigned,
  // .field_invalid, .key_exists, .limit_reached, .name_limit_reached, tenant.*.
  Result<MadeTrustAnchor> create(const Caller& caller, const TenantId& tenant, const NewTrustAnchor& request) const;
  // Another code for an unverified anchor, good for a day; the one before is not good any more. Reasons:
  // trust_anchor.not_found, .already_verified.
  Result<MadeTrustAnchor> renew_code(const Caller& caller, const TenantId& tenant, const IssuerId& id) const;
  // `certificate_pem`: signed by the anchor's key, in force now, with the code as its one CN. Reasons:
  // trust_anchor.not_found, .already_verified, .code_expired, .proof_invalid, .proof_code_differs, certificate.*.
  Result<registry::TrustAnchorRow> verify(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                          const std::string& certificate_pem) const;
  // Status: unverified → revoked only; between active, no-new-devices and suspended freely; revoked is final.
  // Reasons: trust_anchor.not_found, .status_invalid, .field_invalid.
  Result<registry::TrustAnchorRow> update(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                          const TrustAnchorUpdate& update) const;
  Result<void> remove(const Caller& caller, const TenantId& tenant, const IssuerId& id) const;

  // Lets a device come by the anchor, made first where there is none and `create` says so. Reasons:
  // trust_anchor.not_found, .unverified, device.*, external.credential_exists.
  Result<registry::ExternalCredential> bind(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                                            const std::string& device, CreateDevice create) const;
  Result<void> unbind(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                      const std::string& device) const;
  // Refuses one certificate by this anchor from now on, whatever CRLs say. True: it was not revoked before. Reasons:
  // trust_anchor.not_found, certificate.*.
  Result<bool> revoke(const Caller& caller, const TenantId& tenant, const IssuerId& id,
                      const std::string& certificate_pem) const;

 private:
  AuthorityContext& context_;
};

// to_external_anchor is the anchor as x509/external_chain.h judges by it, with its CRLs and revocations. Scope: the
// tenant's.
Result<x509::ExternalAnchor> to_external_anchor(db::Transaction& tx, const registry::TrustAnchorRow& row);

// The revoked keys of an anchor, sorted: those of its CRLs and those that were revoked here.
Result<std::vector<x509::RevocationKey>> revoked_keys(db::Transaction& tx, const registry::TrustAnchorRow& row);

}  // namespace muster::enroll
