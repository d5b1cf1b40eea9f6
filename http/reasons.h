// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the reasons that http/ returns or answers with, each once. The number is the HTTP status of the answer that
// carries it; "client" marks those that only http::Client returns.
#pragma once

#include <string_view>

namespace muster::http::reasons {

inline constexpr std::string_view kMalformed = "http.malformed";                     // 400, connection closed
inline constexpr std::string_view kVersionUnsupported = "http.version_unsupported";  // 505
inline constexpr std::string_view kTargetInvalid =
    "request.target_invalid";                                               // 400: bad percent-encoding, NUL, not UTF-8
inline constexpr std::string_view kQueryInvalid = "request.query_invalid";  // 400: malformed or repeated key
inline constexpr std::string_view kTargetTooLong = "request.target_too_long";                     // 414
inline constexpr std::string_view kHeadersTooLarge = "request.headers_too_large";                 // 431
inline constexpr std::string_view kBodyTooLarge = "request.body_too_large";                       // 413
inline constexpr std::string_view kEncodingUnsupported = "request.content_encoding_unsupported";  // 415
inline constexpr std::string_view kTimeout = "request.timeout";                                   // 408
inline constexpr std::string_view kNotFound = "resource.not_found";                               // 404
inline constexpr std::string_view kMethodNotAllowed = "request.method_not_allowed";               // 405 with Allow

inline constexpr std::string_view kListenFailed = "http.listen_failed";  // Listener::create
inline constexpr std::string_view kTlsFiles = "http.tls_files_unusable";

inline constexpr std::string_view kUrlInvalid = "http.url_invalid";                        // client
inline constexpr std::string_view kConnectFailed = "http.connect_failed";                  // client
inline constexpr std::string_view kConnectionLost = "http.connection_lost";                // client
inline constexpr std::string_view kServerCertificate = "http.server_certificate_invalid";  // client
inline constexpr std::string_view kResponseTooLarge = "http.response_too_large";           // client
inline constexpr std::string_view kCanceled = "http.canceled";                             // client

// fetch_outside
inline constexpr std::string_view kOutsideHost = "outside.host_not_allowed";
inline constexpr std::string_view kOutsideAddress = "outside.address_refused";
inline constexpr std::string_view kOutsideTimeout = "outside.timeout";
inline constexpr std::string_view kOutsideStatus = "outside.status";

}  // namespace muster::http::reasons
