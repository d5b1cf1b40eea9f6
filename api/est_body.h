// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/bytes.h"
#include "core/result.h"
#include "http/message.h"

namespace muster::api {

// read_est_request gives the PKCS#10 of an EST request, DER: the body's base64 with any line breaks or none (clients
// disagree, RFC 8951 §3.1), or one PEM block. Reasons: est.media_type_unsupported (not application/pkcs10),
// est.body_malformed.
Result<Bytes> read_est_request(const http::Request& request);

// to_est_base64 writes lines of 64 characters, or one line where the client cannot read several.
std::string to_est_base64(BytesView der, bool unwrapped);

}  // namespace muster::api
