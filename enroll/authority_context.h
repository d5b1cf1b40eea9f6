// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "ca/key_encryption_key.h"
#include "ca/profile.h"
#include "ca/signer.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/log.h"
#include "core/metrics.h"
#include "db/connection_pool.h"
#include "enroll/caller.h"
#include "enroll/issuer_cache.h"
#include "enroll/registration_authority.h"
#include "enroll/transparency_log.h"
#include "registry/audit_store.h"
#include "x509/blocked_keys.h"

namespace muster::enroll {

// AuthorityContext is what the parts of the registration authority share. Constant after initialisation; thread-safe.
struct AuthorityContext {
  RegistrationAuthorityConfig config;
  TrustDomain trust_domain;
  ca::Profile device_profile;
  db::ConnectionPool& pool;
  const Clock& clock;
  MetricsRegistry& metrics;
  Log log{"enroll"};
  x509::BlockedKeys blocked_keys{};

  // Set by initialise_deployment, then constant.
  std::unique_ptr<ca::Signer> signer{};
  std::unique_ptr<IssuerCache> issuers{};
  std::unique_ptr<TransparencyLog> transparency{};
  std::shared_ptr<const LoadedIssuer> infrastructure_root{};
  std::atomic<bool> initialised{false};

  // Grows after each transaction of this process that may have revoked something, before its caller is answered: what
  // was read of the registry before is looked at again (CRLs, OCSP).
  std::atomic<std::uint64_t> revocations{0};

  // Reason: enroll.not_initialised.
  Result<void> require_initialised() const;
};

// audit_event fills who, when and the request id; the caller adds the rest.
registry::AuditEvent audit_event(const AuthorityContext& context, const Caller& caller, const TenantId& tenant,
                                 std::string action);

}  // namespace muster::enroll
