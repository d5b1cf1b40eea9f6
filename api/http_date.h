// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what answers carry that caches on the way may keep (CRLs, OCSP).
#pragma once

#include <string>
#include <string_view>

#include "core/time.h"
#include "http/message.h"

namespace muster::api {

// http_date writes an IMF-fixdate, RFC 9110 §5.6.7: "Sun, 22 Nov 2026 21:00:00 GMT".
std::string http_date(UtcTime time);

// is_not_modified: the request has this entity tag already (If-None-Match, RFC 9110 §13.1.2), quotes included.
bool is_not_modified(const http::Request& request, std::string_view entity_tag);

}  // namespace muster::api
