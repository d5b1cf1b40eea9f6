// SPDX-License-Identifier: Apache-2.0
//
// Purpose: CRLs of tenants' own PKI: uploaded, or fetched by whoever may speak HTTP and handed over here. Nothing in
// this module opens a connection.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"
#include "enroll/authority_context.h"
#include "enroll/caller.h"
#include "registry/trust_anchor_store.h"

namespace muster::enroll {

inline constexpr std::size_t kMaxExternalCrlBytes = 16U << 20;
// What is revoked of one anchor, by all its CRLs and one by one: edges hold it. How many CRLs: one for each CA and
// part.
inline constexpr std::int64_t kMaxExternalCrlEntries = 100'000;
inline constexpr std::size_t kMaxExternalCrls = 64;

enum class CrlOrigin : std::uint8_t { kUpload, kFetch };

class ExternalCrls {
 public:
  explicit ExternalCrls(RegistrationAuthority& authority) : context_(authority.context()) {}

  // Takes a CRL (one DER object, or one PEM block "X509 CRL") that the anchor or one of its intermediates signed. It
  // replaces the one held of the same issuer and scope. tenant-admin; kLocal for what was fetched. A CRL that is held
  // already is a success that changes nothing.
  //
  // Reasons: trust_anchor.not_found, .unverified, crl.issuer_unknown, crl.too_many_entries and those of x509::check_crl
  // (crl.malformed, crl.older_than_held, crl.expired, crl.extension_unsupported, crl.indirect_unsupported,
  // crl.delta_unexpected, signature.* …). After any of them the CRL that was held stays in force.
  Result<registry::ExternalCrlRow> import(const Caller& caller, const TenantId& tenant, const IssuerId& anchor,
                                          BytesView crl, CrlOrigin origin) const;

  // Tells the audit of anchors one of whose CRLs has expired, once until it is renewed, and returns how many there are.
  Result<std::size_t> raise_alarms() const;

 private:
  AuthorityContext& context_;
};

}  // namespace muster::enroll
