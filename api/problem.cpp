// SPDX-License-Identifier: Apache-2.0
#include "api/problem.h"

#include <array>
#include <utility>

#include "api/reasons.h"
#include "http/reasons.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

// Reasons whose status says more than their code's.
constexpr std::array<std::pair<std::string_view, int>, 5> kByReason{{
    {reasons::kEstMediaType, 415},
    {registry::kIdempotencyBodyDiffers, 422},
    {registry::kChangesReloadRequired, 410},
    {reasons::kRateLimited, 429},
    {http::reasons::kTimeout, 408},
}};

bool may_tell(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInternal:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kOutcomeUnknown: return false;
    default: return error.reason.rfind("database.", 0) != 0;
  }
}

}  // namespace

int http_status(const Error& error) {
  for (const auto& [reason, status] : kByReason) {
    if (reason == error.reason) return status;
  }
  switch (error.code) {
    case ErrorCode::kInvalidArgument: return 400;
    case ErrorCode::kUnauthenticated: return 401;
    case ErrorCode::kPermissionDenied: return 403;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kAlreadyExists: return 409;
    case ErrorCode::kConflict: return 409;
    case ErrorCode::kFailedPrecondition: return 409;
    case ErrorCode::kResourceExhausted: return 413;
    case ErrorCode::kUnavailable: return 503;
    case ErrorCode::kDeadlineExceeded: return 503;
    case ErrorCode::kOutcomeUnknown: return 503;
    case ErrorCode::kUnsupported: return 400;
    case ErrorCode::kCorrupt: return 500;
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

http::Response to_problem(const Error& error, std::string_view request_id) {
  const int status = http_status(error);
  http::Response response =
      http::problem_response({status, error.reason, may_tell(error) ? error.detail : std::string{}}, request_id);
  if (status == 401) response.headers.emplace_back("www-authenticate", "Bearer realm=\"muster\"");
  if (status == 429 || status == 503) response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace muster::api
