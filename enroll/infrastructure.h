// SPDX-License-Identifier: Apache-2.0
//
// Purpose: certificates of the second hierarchy: the server, brokers, edges. Names come from configuration or the
// registry; of a CSR only the key is used.
#pragma once

#include "core/result.h"
#include "enroll/authority_context.h"

namespace muster::enroll {

// edge_uri is the one URI SAN of an edge's client certificate: spiffe://{trust domain}/edge/{edge id}. It is for
// people and logs: the server knows an edge by the hash of its certificate.
std::string edge_uri(const EdgeId& edge, const TrustDomain& trust_domain);

// Scope of `tx`: system. See RegistrationAuthority::issue_infrastructure.
Result<IssuedCertificate> issue_infrastructure(AuthorityContext& context, db::Transaction& tx, const Caller& caller,
                                               const InfrastructureRequest& request);

}  // namespace muster::enroll
