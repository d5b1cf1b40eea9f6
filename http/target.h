// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace muster::http {

struct Target {
  std::vector<std::string> segments;
  std::map<std::string, std::string, std::less<>> query;
};

// parse_target splits an origin-form request target (RFC 9112 §3.2.1) and decodes it strictly: every '%' is followed by
// two hexadecimal digits; the decoded text is UTF-8 without control characters; a decoded path segment holds no '/'; no
// query key comes twice (two readers could otherwise pick different ones). '+' means itself in a path and a space in a
// query. An empty segment, but for one at the end, is refused. What follows `opaque_prefix` ("/ocsp/"; empty: nothing
// does) is one segment, decoded, whatever slashes it holds.
// Reasons: request.target_invalid, request.query_invalid.
Result<Target> parse_target(std::string_view target, std::string_view opaque_prefix = {});

// percent_decode decodes one component. Reason: request.target_invalid.
Result<std::string> percent_decode(std::string_view text);

}  // namespace muster::http
