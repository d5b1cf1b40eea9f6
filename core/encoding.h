// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace muster {

// to_hex returns lower-case hexadecimal without separators, two digits an octet.
std::string to_hex(BytesView bytes);

// from_hex accepts an even number of hexadecimal digits of either case and nothing else.
// Reason: encoding.hex_invalid.
Result<Bytes> from_hex(std::string_view text);

// to_base64 encodes by RFC 4648 §4, padded, without line breaks.
std::string to_base64(BytesView bytes);

// to_base64url encodes by RFC 4648 §5 without padding.
std::string to_base64url(BytesView bytes);

// from_base64 decodes RFC 4648 §4; CR, LF, spaces and tabs are skipped (RFC 8951 §3.1 allows them in EST), missing
// padding and anything else is refused. Reason: encoding.base64_invalid.
Result<Bytes> from_base64(std::string_view text);

// append_json_string appends `text` as a quoted JSON string (RFC 8259 §7). Octets that are not UTF-8 become
// U+FFFD, so the result is always valid JSON.
void append_json_string(std::string& out, std::string_view text);

// is_utf8 tells whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace muster
