// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "core/id.h"
#include "core/identity.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

// Deployment is this installation: its id is in the associated data of every wrapped key, its trust domain in every
// certificate, so neither ever changes.
struct Deployment {
  RawId id;
  std::string trust_domain;
  UtcTime created_at{};
};

// Makes the deployment on the first call. Scope: system. Reason: deployment.trust_domain_differs.
Result<Deployment> ensure_deployment(db::Transaction& tx, const TrustDomain& trust_domain);
Result<Deployment> get_deployment(db::Transaction& tx);  // reason: deployment.missing

}  // namespace muster::registry
