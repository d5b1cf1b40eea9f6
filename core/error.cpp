// SPDX-License-Identifier: Apache-2.0
#include "core/error.h"

#include <utility>

namespace muster {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kUnauthenticated: return "unauthenticated";
    case ErrorCode::kPermissionDenied: return "permission_denied";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kAlreadyExists: return "already_exists";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kFailedPrecondition: return "failed_precondition";
    case ErrorCode::kResourceExhausted: return "resource_exhausted";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorCode::kOutcomeUnknown: return "outcome_unknown";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

Error internal_error(std::string detail) { return Error{ErrorCode::kInternal, "internal", std::move(detail)}; }

std::string to_log_text(const Error& error) {
  std::string text{to_string(error.code)};
  text.append(" ").append(error.reason);
  if (!error.detail.empty()) text.append(": ").append(error.detail);
  return text;
}

}  // namespace muster
