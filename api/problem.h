// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/error.h"
#include "http/message.h"

namespace muster::api {

// http_status is the one place where an error becomes an HTTP status.
int http_status(const Error& error);

// to_problem renders an error for the caller. The detail stays here where it may tell about our inside: faults of ours
// and everything the database said.
http::Response to_problem(const Error& error, std::string_view request_id);

}  // namespace muster::api
