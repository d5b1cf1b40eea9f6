// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what every request of an edge has in common: who it is, by the infrastructure certificate of its connection,
// and problem+json where it is refused.
#pragma once

#include <functional>
#include <string>

#include "api/context.h"
#include "core/result.h"
#include "http/message.h"
#include "http/router.h"
#include "registry/edge_store.h"

namespace muster::api {

using EdgeHandler = std::function<Result<http::Response>(registry::Edge, const http::Request&)>;

// edge_route wraps a handler for the router: it is run for edges whose certificate is good for it now.
http::Route edge_route(ApiContext& context, const std::string& method, const std::string& pattern, EdgeHandler handler);

// Reason: request.query_unknown.
Result<void> refuse_query(const http::Request& request);

}  // namespace muster::api
