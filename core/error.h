// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the one error type of the product. It has three parts for three readers: `code` is what code
// branches on (retry? HTTP class?), `reason` is a stable dotted constant that clients, tests, metrics and the
// audit see, `detail` is free text for the operator's log and is never parsed, asserted or sent out for
// kInternal.
#pragma once

#include <string>
#include <string_view>

namespace muster {

enum class ErrorCode {
  kInvalidArgument,
  kUnauthenticated,
  kPermissionDenied,
  kNotFound,
  kAlreadyExists,
  kConflict,
  kFailedPrecondition,
  kResourceExhausted,
  kUnavailable,
  kDeadlineExceeded,
  kOutcomeUnknown,  // a commit whose answer was lost: never retried blindly
  kUnsupported,
  kCorrupt,
  kInternal,
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // Dotted constant declared in the module's reasons.h, for example "csr.signature_invalid". A pointer to a
  // string of static storage: reasons are never composed.
  std::string_view reason = "internal";
  std::string detail;
};

// internal_error makes an error whose detail stays in the operator's log.
Error internal_error(std::string detail);

// to_log_text renders an error for a log line: "code reason: detail".
std::string to_log_text(const Error& error);

}  // namespace muster
