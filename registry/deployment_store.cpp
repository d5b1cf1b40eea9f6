// SPDX-License-Identifier: Apache-2.0
#include "registry/deployment_store.h"

#include "db/statement.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

const db::Statement kMake{"make_deployment",
                          "INSERT INTO muster.deployment (trust_domain) VALUES ($1) ON CONFLICT DO NOTHING"};
const db::Statement kGet{"get_deployment", "SELECT id, trust_domain, created_at FROM muster.deployment"};

}  // namespace

Result<Deployment> get_deployment(db::Transaction& tx) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet));
  if (rows.empty()) return Error{ErrorCode::kFailedPrecondition, kDeploymentMissing, ""};
  return Deployment{rows[0].raw_id(0), rows[0].text(1), rows[0].time(2)};
}

Result<Deployment> ensure_deployment(db::Transaction& tx, const TrustDomain& trust_domain) {
  MUSTER_TRY_VOID(db::run(tx, kMake, {trust_domain.text()}));
  MUSTER_TRY(auto deployment, get_deployment(tx));
  if (deployment.trust_domain != trust_domain.text()) {
    return Error{ErrorCode::kFailedPrecondition, kDeploymentTrustDomainDiffers,
                 "the database was made for " + deployment.trust_domain};
  }
  return deployment;
}

}  // namespace muster::registry
