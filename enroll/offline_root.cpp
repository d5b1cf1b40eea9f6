// SPDX-License-Identifier: Apache-2.0
#include "enroll/offline_root.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "ca/signer.h"
#include "db/transaction.h"
#include "enroll/ca_creation.h"
#include "enroll/ca_maker.h"
#include "enroll/issuer_chain.h"
#include "enroll/registration_authority.h"
#include "registry/audit_store.h"
#include "registry/reasons.h"
#include "x509/certificate.h"
#include "x509/pem.h"

namespace muster::enroll {

namespace {

using registry::Issuer;
using registry::IssuerKind;
using registry::IssuerStatus;

constexpr IssuerKind kKind = IssuerKind::kDeviceIntermediate;

Caller local_caller() {
  Caller caller;
  caller.role = CallerRole::kLocal;
  return caller;
}

// The platform CAs, locked.
Result<std::vector<Issuer>> intermediates(db::Transaction& tx) {
  return registry::lock_issuers(tx, TenantId{}, kKind, registry::kDefaultSlot);
}

std::optional<Issuer> newest_requested(const std::vector<Issuer>& issuers) {
  std::optional<Issuer> newest;
  for (const Issuer& issuer : issuers) {
    const bool waits = issuer.status == IssuerStatus::kRequested;
    if (waits && (!newest || issuer.created_at > newest->created_at)) newest = issuer;
  }
  return newest;
}

// The one whose key is in the first certificate; of a chain that fits none, the newest, whose refusal then says so.
std::optional<Issuer> addressee(const std::vector<Issuer>& issuers, std::string_view chain_pem) {
  const auto chain = x509::Certificate::parse_pem_list(chain_pem, kMaxIssuerChain);
  if (chain.ok()) {
    for (const Issuer& issuer : issuers) {
      const bool waits = issuer.status == IssuerStatus::kRequested;
      if (waits && issuer.spki_sha256 == chain->front().spki_sha256()) return issuer;
    }
  }
  return newest_requested(issuers);
}

Result<void> step(const AuthorityContext& context, db::Transaction& tx, const Issuer& issuer, IssuerStatus status) {
  MUSTER_TRY_VOID(registry::set_issuer_status(tx, issuer.id, status));
  registry::AuditEvent event = audit_event(context, local_caller(), TenantId{}, "issuer.set_status");
  event.target = "issuer:" + issuer.id.text();
  event.detail.emplace_back(registry::AuditField::kName, registry::to_string(issuer.kind));
  event.detail.emplace_back(registry::AuditField::kStatus, registry::to_string(status));
  return registry::append_audit_event(tx, event);
}

Error none_waits() {
  return {ErrorCode::kNotFound, registry::kIssuerNotFound, "no platform CA waits for a certificate"};
}

}  // namespace

Result<void> ensure_requested_intermediate(AuthorityContext& context) {
  MUSTER_TRY(const auto present, db::run_in_transaction(context.pool, db::Scope::system(), intermediates));
  if (newest_requested(present)) return {};
  MUSTER_TRY(const MadeCa made, make_requested_ca(context, intermediate_order(nullptr)));
  return db::run_in_transaction(context.pool, db::Scope::system(),
                                [&](db::Transaction& tx) { return store_ca(context, tx, local_caller(), made); });
}

OfflineRoot::OfflineRoot(RegistrationAuthority& authority) : context_(authority.context()) {}

Result<std::string> OfflineRoot::request_pem() const {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY(const auto present, db::run_in_transaction(context_.pool, db::Scope::system(), intermediates));
  const auto waiting = newest_requested(present);
  if (!waiting) return none_waits();
  return x509::write_pem("CERTIFICATE REQUEST", waiting->request);
}

Result<Issuer> OfflineRoot::install(std::string_view chain_pem) const {
  MUSTER_TRY_VOID(context_.require_initialised());
  return db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<Issuer> {
    MUSTER_TRY(const auto present, intermediates(tx));
    auto issuer = addressee(present, chain_pem);
    if (!issuer) return none_waits();
    // Any tenant may come: of name constraints only those pass that permit every host below the trust domain.
    const ChainExpectation expected{issuer->spki_sha256,
                                    path_length_needed(kKind),
                                    {uri_host_of(context_, "a"), uri_host_of(context_, "any-tenant-at-all")},
                                    context_.clock.now()};
    MUSTER_TRY(CheckedChain checked, check_issuer_chain(chain_pem, expected));
    issuer->certificate = std::move(checked.certificate);
    issuer->chain = std::move(checked.chain);
    issuer->not_before = checked.not_before;
    issuer->not_after = checked.not_after;
    MUSTER_TRY_VOID(registry::install_issuer_certificate(tx, *issuer));
    for (const Issuer& other : present) {
      if (other.status == IssuerStatus::kActive) MUSTER_TRY_VOID(step(context_, tx, other, IssuerStatus::kRetiring));
    }
    MUSTER_TRY_VOID(step(context_, tx, *issuer, IssuerStatus::kActive));
    return registry::get_issuer(tx, issuer->id);
  });
}

}  // namespace muster::enroll
