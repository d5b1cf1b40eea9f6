// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/call.h"

namespace muster::api {

// run_idempotent runs `operation` under the request's Idempotency-Key: bound to tenant, caller, method, path and the
// body's hash. A 2xx answer is kept and given again; after any other the key is free, so the client may try again.
// Reasons: idempotency.key_invalid, idempotency.body_differs (422), idempotency.in_progress, and the operation's.
Result<http::Response> run_idempotent(Call& call, const Operation& operation);

}  // namespace muster::api
