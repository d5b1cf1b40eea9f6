// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the resources issuers and incidents share: reissuing a CA's fleet is an incident about its issuer.
#pragma once

#include "api/call.h"
#include "registry/renewal_store.h"

namespace muster::api {

// The issuer of the path. Reason: issuer.not_found.
Result<IssuerId> issuer_of_path(const Call& call);

// 201 with the incident that was opened.
http::Response incident_response(const Call& call, const registry::Incident& incident);

}  // namespace muster::api
