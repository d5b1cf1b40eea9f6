// SPDX-License-Identifier: Apache-2.0
//
// Purpose: makes a CA's key and its certificate, or the request for one. Who may ask, and what then becomes of the CA:
// enroll/ca_creation.h (the platform's, a tenant's first) and enroll/issuer_desk.h (what tenants' admins do).
#pragma once

#include <cstdint>
#include <string>

#include "ca/key_store.h"
#include "ca/profile.h"
#include "core/id.h"
#include "core/result.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "registry/issuer_store.h"
#include "registry/tenant_store.h"
#include "x509/key_kind.h"

namespace muster::enroll {

// What to make.
struct CaOrder {
  registry::IssuerKind registry_kind = registry::IssuerKind::kTenantIssuing;
  ca::CertificateKind kind = ca::CertificateKind::kIssuingCa;
  x509::KeyKind key_kind = x509::KeyKind::kP256;
  TenantId tenant{};
  std::string permitted_uri_host{};
  const registry::Issuer* parent = nullptr;  // nullptr: self-signed; not used by make_requested_ca
  registry::IssuerStatus status = registry::IssuerStatus::kActive;
  std::string slot{registry::kDefaultSlot};
  std::string name{};
  std::int64_t validity_seconds = 0;  // 0: the kind's default; never beyond the parent's notAfter
};

// The order of a tenant's issuing CA under `parent`.
CaOrder issuing_order(const AuthorityContext& context, const registry::Tenant& tenant, const registry::Issuer* parent);
// "{tenant}.{trust domain}": the host of every device's URI, and the name constraint of the tenant's CAs.
std::string uri_host_of(const AuthorityContext& context, const std::string& tenant_name);

struct MadeCa {
  registry::Issuer issuer;
  ca::GeneratedKey key;
};

// make_ca makes a key and a linted certificate signed by the parent (whose key must be loaded) or by itself. Nothing is
// stored. Reasons: key.algorithm_unavailable, profile.*, lint.*, signer.*.
Result<MadeCa> make_ca(const AuthorityContext& context, const CaOrder& order);
// make_requested_ca makes the key and the request for another CA to sign. Its status is requested.
Result<MadeCa> make_requested_ca(const AuthorityContext& context, const CaOrder& order);
// store_ca stores issuer and key and audits it. Scope: the CA's. Reasons: issuer.active_exists, key.already_used.
Result<void> store_ca(const AuthorityContext& context, db::Transaction& tx, const Caller& caller, const MadeCa& made);

// request_of returns a certification request (DER) for the key of `issuer`: the one that was made with the key, or a
// new one where it has a certificate (for cross-certification). Reasons: issuer.not_found, signer.*, key.*.
Result<Bytes> request_of(const AuthorityContext& context, db::Transaction& tx, const registry::Issuer& issuer,
                         const std::string& permitted_uri_host);

// Path length that the certificate of a CA of this kind needs: of those below it, end entities not counted.
std::uint32_t path_length_needed(registry::IssuerKind kind);

db::Scope scope_of(const TenantId& tenant);  // nil: system

}  // namespace muster::enroll
