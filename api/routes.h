// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the resources, one file each, and which listener serves them.
#pragma once

#include <vector>

#include "api/call.h"
#include "http/router.h"

namespace muster::api {

using Operations = std::vector<Operation>;

void add_tenants(Operations& operations);
void add_devices(Operations& operations);
void add_commands(Operations& operations);
void add_certificates(Operations& operations);
void add_batches(Operations& operations);
void add_policies(Operations& operations);
void add_policy_tests(Operations& operations);
void add_groups(Operations& operations);
void add_grants(Operations& operations);
void add_profiles(Operations& operations);
void add_revocations(Operations& operations);
void add_tokens(Operations& operations);
void add_claims(Operations& operations);
void add_est_settings(Operations& operations);
void add_edges(Operations& operations);
void add_issuers(Operations& operations);
void add_renewal(Operations& operations);
void add_trust_anchors(Operations& operations);
void add_keys(Operations& operations);
void add_audit(Operations& operations);
void add_checks(Operations& operations);
void add_log_openings(Operations& operations);
void add_streams(Operations& operations);

// Without authentication, or with another than the operations'.
void add_system(ApiContext& context, http::Router& router);            // healthz, readyz, metrics, openapi.yaml
void add_health(http::Router& router);                                 // healthz alone
void add_crl(ApiContext& context, http::Router& router);               // /crl/{issuer}/{shard}
void add_est(ApiContext& context, http::Router& router);               // RFC 7030, by what authenticates there
void add_ocsp(ApiContext& context, http::Router& router);              // /ocsp
void add_transparency(ApiContext& context, http::Router& router);      // /checkpoint, /tile/…, /log-key
void add_edge_join(ApiContext& context, http::Router& router);         // by join token
void add_edge_stream(ApiContext& context, http::Router& router);       // by infrastructure certificate
void add_edge_sessions(ApiContext& context, http::Router& router);     // the same: where devices are
void add_broker_questions(ApiContext& context, http::Router& router);  // /v1/authn, /v1/authz, by token
void add_broker_questions_of_edges(ApiContext& context, http::Router& router);  // by infrastructure certificate

http::Router make_rest_router(ApiContext& context);
http::Router make_edges_router(ApiContext& context);
http::Router make_plain_router(ApiContext& context);

}  // namespace muster::api
