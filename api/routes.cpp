// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"

namespace muster::api {

http::Router make_rest_router(ApiContext& context) {
  Operations operations;
  add_tenants(operations);
  add_devices(operations);
  add_commands(operations);
  add_certificates(operations);
  add_batches(operations);
  add_policies(operations);
  add_policy_tests(operations);
  add_groups(operations);
  add_grants(operations);
  add_profiles(operations);
  add_revocations(operations);
  add_tokens(operations);
  add_claims(operations);
  add_est_settings(operations);
  add_edges(operations);
  add_issuers(operations);
  add_renewal(operations);
  add_trust_anchors(operations);
  add_keys(operations);
  add_audit(operations);
  add_checks(operations);
  add_log_openings(operations);
  add_streams(operations);
  http::Router router;
  for (Operation& operation : operations) router.add(to_route(context, std::move(operation)));
  add_system(context, router);
  add_transparency(context, router);
  add_crl(context, router);
  add_est(context, router);
  add_edge_join(context, router);
  add_broker_questions(context, router);
  return router;
}

http::Router make_edges_router(ApiContext& context) {
  http::Router router;
  add_health(router);
  add_edge_stream(context, router);
  add_broker_questions_of_edges(context, router);
  add_edge_sessions(context, router);
  return router;
}

http::Router make_plain_router(ApiContext& context) {
  http::Router router;
  add_health(router);
  add_crl(context, router);
  add_ocsp(context, router);
  add_transparency(context, router);
  return router;
}

}  // namespace muster::api
