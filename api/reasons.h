// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the reasons that api/ itself gives, with their HTTP status. Those of the modules below pass through.
#pragma once

#include <string_view>

namespace muster::api::reasons {

inline constexpr std::string_view kJsonMalformed = "request.json_malformed";     // 400: not JSON, or nested too deeply
inline constexpr std::string_view kFieldUnknown = "request.field_unknown";       // 400
inline constexpr std::string_view kFieldInvalid = "request.field_invalid";       // 400: type, length or missing
inline constexpr std::string_view kQueryUnknown = "request.query_unknown";       // 400
inline constexpr std::string_view kQueryInvalid = "request.query_invalid";       // 400
inline constexpr std::string_view kBodyUnexpected = "request.body_unexpected";   // 400
inline constexpr std::string_view kRateLimited = "request.rate_limited";         // 429 with Retry-After
inline constexpr std::string_view kTooManyLines = "batch.too_many_lines";        // 413
inline constexpr std::string_view kLineInvalid = "batch.line_invalid";           // in a result line
inline constexpr std::string_view kIdempotencyKey = "idempotency.key_invalid";   // 400
inline constexpr std::string_view kShownOnce = "idempotency.secret_shown_once";  // 409: the first answer held a secret

inline constexpr std::string_view kAuthRequired = "auth.required";                // 401
inline constexpr std::string_view kAuthMalformed = "auth.malformed";              // 401
inline constexpr std::string_view kAuthCertificate = "auth.certificate_invalid";  // 401: revoked, expired, unknown
inline constexpr std::string_view kAuthTenant = "auth.tenant_inactive";  // 403: the caller's tenant is suspended
inline constexpr std::string_view kAuthDevice = "auth.device_inactive";  // 403
inline constexpr std::string_view kForbidden = "auth.forbidden";         // 403: not in this role
inline constexpr std::string_view kRoleInvalid = "token.role_invalid";   // 400: no such role at this place
inline constexpr std::string_view kClaimCertificate = "claim.certificate_unusable";  // 400
inline constexpr std::string_view kEstLabelUnknown = "est.label_unknown";            // 404
inline constexpr std::string_view kEstMediaType = "est.media_type_unsupported";      // 415
inline constexpr std::string_view kEstBody = "est.body_malformed";                   // 400
inline constexpr std::string_view kEstDeviceUnnamed = "est.device_unnamed";          // 400
inline constexpr std::string_view kEstNamesDiffer = "est.names_differ";              // 400: re-enrolling as another
inline constexpr std::string_view kEstFullCmc = "est.fullcmc_unsupported";  // 404: RFC 7030 §4.3 leaves it open
inline constexpr std::string_view kStreamUnknown = "stream.not_found";      // 404

inline constexpr std::string_view kTileUnknown = "transparency.tile_unknown";  // 404: no path of a tile

}  // namespace muster::api::reasons
